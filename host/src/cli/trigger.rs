//! `wisp trigger`.

use std::{io::Write as _, process::ExitCode};

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Map, Value as Json, json};

use super::{
    Failure,
    client::{ServerArgs, encoded},
    completions,
    control::{
        Control,
        resource::{FunctionName, Resource},
    },
    get, runtime,
};

/// Create or change a trigger: HTTP, or a timer; fire, pause or resume one of any kind
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "wisp trigger shop/orders/web --methods GET,POST      requests without a signature\n\
                        wisp trigger shop/orders/web --auth function         requests with a signature\n\
                        wisp trigger shop/orders/tick --cron '@every 5m'     a timer\n\
                        wisp trigger fire tick                               fires a timer now\n\
                        wisp trigger pause shop/orders/uploads               lets it rest; resume lets it go on\n\
                        wisp list triggers shop/orders                       shows all of a function\n\
                        wisp remove trigger shop/orders/web                  removes it")]
pub(crate) struct TriggerArgs {
    #[command(subcommand)]
    command: Option<TriggerCommand>,
    /// SERVICE/FUNCTION/TRIGGER, or FUNCTION/TRIGGER of Function Compute 3.0
    #[arg(add = completions::names(), required = true)]
    trigger: Option<String>,
    /// The methods of an HTTP trigger [default: all]
    #[arg(long, value_delimiter = ',', value_name = "METHODS", conflicts_with_all = ["cron", "payload"])]
    methods: Vec<String>,
    /// Whether requests must be signed [default: anonymous]
    #[arg(long, value_name = "WHO", conflicts_with_all = ["cron", "payload"])]
    auth: Option<Auth>,
    /// When a timer fires: `@every 5m`, or second, minute, hour, day, month and day of the week, in UTC or after `CRON_TZ=ZONE `
    #[arg(long, value_name = "WHEN")]
    cron: Option<String>,
    /// What a timer's event holds
    #[arg(long, requires = "cron")]
    payload: Option<String>,
    /// A timer that does not fire
    #[arg(long, requires = "cron")]
    disabled: bool,
    /// The version or alias that is called
    #[arg(long, short)]
    qualifier: Option<String>,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What is done to a trigger that is there.
#[derive(Debug, Subcommand)]
enum TriggerCommand {
    /// Fire a timer now, whatever its schedule
    Fire(NameArgs),
    /// Let a trigger rest, also after a restart; what its source keeps waits there
    Pause(NameArgs),
    /// Let a paused trigger go on
    Resume(NameArgs),
    /// Forget what a removed trigger has at a broker that cannot be reached any more
    Forget(NameArgs),
}

#[derive(Debug, Args)]
struct NameArgs {
    /// The trigger: SERVICE/FUNCTION/TRIGGER, or the end of it that names one
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

impl TriggerCommand {
    fn execute(self) -> Result<ExitCode, Failure> {
        let (verb, done, NameArgs { name, server }) = match self {
            Self::Fire(args) => ("fire", "fired", args),
            Self::Pause(args) => ("pause", "paused", args),
            Self::Resume(args) => ("resume", "resumed", args),
            Self::Forget(args) => ("forget", "forgotten", args),
        };
        let control = Control(server.client()?);
        let name = name.split('/').map(encoded).collect::<Vec<_>>().join("/");
        let answer = runtime::alone(control.call(Method::POST, &format!("/wisp/triggers/{name}/{verb}"), None))??;
        writeln!(anstream::stdout(), "{done} trigger {}", answer[done].as_str().unwrap_or_default())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Who may call by an HTTP trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Auth {
    /// Everybody
    Anonymous,
    /// Who signs with an access key
    Function,
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"];

impl TriggerArgs {
    pub(super) fn execute(mut self) -> Result<ExitCode, Failure> {
        if let Some(command) = self.command.take() {
            return command.execute();
        }
        let name = self.trigger.clone().unwrap_or_default();
        let control = Control(self.server.client()?);
        let (trigger, existed) = runtime::alone(self.put(&control, &name))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{trigger:#}")?;
        } else {
            let did = if existed { "updated" } else { "created" };
            writeln!(out, "{did} trigger {name}\n{}", get::fields(&trigger))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn put(&self, control: &Control, whole: &str) -> anyhow::Result<(Json, bool)> {
        let Some((function, name)) = whole.rsplit_once('/') else {
            bail!("'{whole}' names no trigger; give SERVICE/FUNCTION/TRIGGER");
        };
        let function = FunctionName::parse(function);
        let mut body = self.body(function.service.is_none());
        let resource = Resource::Trigger { function, name: name.to_owned() };
        let there = control.find(&resource.path()).await?;
        let trigger = match &there {
            Some(there) if there["triggerType"].as_str() != Some(self.kind()) => bail!(
                "{resource} is of the type {}, which cannot be changed; `wisp remove trigger {}` removes it",
                there["triggerType"].as_str().unwrap_or_default(),
                resource.name()
            ),
            Some(_) => control.call(Method::PUT, &resource.path(), Some(&Json::Object(body))).await?,
            None => {
                body.insert("triggerName".to_owned(), json!(name));
                body.insert("triggerType".to_owned(), json!(self.kind()));
                control.call(Method::POST, &resource.collection(), Some(&Json::Object(body))).await?
            }
        };
        Ok((trigger, there.is_some()))
    }

    fn kind(&self) -> &'static str {
        if self.cron.is_some() { "timer" } else { "http" }
    }

    /// `api_3`: the configuration is a text that holds JSON.
    fn body(&self, api_3: bool) -> Map<String, Json> {
        let config = self.config();
        let config = if api_3 { json!(config.to_string()) } else { config };
        let mut body = Map::from_iter([("triggerConfig".to_owned(), config)]);
        if let Some(qualifier) = &self.qualifier {
            body.insert("qualifier".to_owned(), json!(qualifier));
        }
        body
    }

    fn config(&self) -> Json {
        if let Some(cron) = &self.cron {
            return json!({ "cronExpression": cron, "payload": self.payload, "enable": !self.disabled });
        }
        let methods: Vec<String> = if self.methods.is_empty() {
            METHODS.map(str::to_owned).to_vec()
        } else {
            self.methods.iter().map(|method| method.to_ascii_uppercase()).collect()
        };
        let auth = match self.auth {
            Some(Auth::Function) => "function",
            Some(Auth::Anonymous) | None => "anonymous",
        };
        json!({ "authType": auth, "methods": methods })
    }
}
