//! `wisp alias`.

use std::{io::Write as _, process::ExitCode, str::FromStr};

use anyhow::bail;
use clap::Args;
use http::Method;
use serde_json::{Map, Value as Json, json};

use super::{
    Failure,
    client::ServerArgs,
    completions,
    control::{Control, resource::Resource},
    get, runtime,
};

/// Point an alias at a version, all of its traffic or a share
#[derive(Debug, Args)]
#[command(after_help = "wisp alias shop/prod 1                    everything goes to version 1\n\
                        wisp alias shop/prod 1 --share 2=0.05     5 % of it goes to version 2\n\
                        wisp get alias shop/prod                  shows it\n\
                        wisp list aliases shop                    shows all\n\
                        wisp remove alias shop/prod               removes it")]
pub(crate) struct AliasArgs {
    /// SERVICE/ALIAS, or FUNCTION/ALIAS of Function Compute 3.0
    #[arg(add = completions::names())]
    alias: String,
    /// The version
    version: String,
    /// Another version and its share of the traffic, between 0 and 1
    #[arg(long, value_name = "VERSION=SHARE")]
    share: Option<Share>,
    /// What is said about the alias
    #[arg(long, short)]
    description: Option<String>,
    /// Print what the server says, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A version's part of the traffic.
#[derive(Clone, Debug, PartialEq)]
struct Share {
    version: String,
    weight: f64,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "give VERSION=SHARE with a share between 0 and 1, such as 2=0.05".to_owned();
        let (version, weight) = text.split_once('=').ok_or_else(form)?;
        let weight: f64 = weight.parse().map_err(|_| form())?;
        match (0.0..=1.0).contains(&weight) && !version.is_empty() {
            true => Ok(Self { version: version.to_owned(), weight }),
            false => Err(form()),
        }
    }
}

impl AliasArgs {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let control = Control(self.server.client()?);
        let (alias, existed) = runtime::alone(self.point(&control))??;
        let mut out = anstream::stdout();
        if self.json {
            writeln!(out, "{alias:#}")?;
        } else {
            writeln!(
                out,
                "{} alias {}\n{}",
                if existed { "updated" } else { "created" },
                self.alias,
                get::fields(&alias)
            )?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn point(&self, control: &Control) -> anyhow::Result<(Json, bool)> {
        let Some((owner, name)) = self.alias.split_once('/') else {
            bail!("'{}' names no alias; give SERVICE/ALIAS", self.alias);
        };
        let resource = Resource::Alias { scope: control.scope(owner).await?, name: name.to_owned() };
        let existed = control.find(&resource.path()).await?.is_some();
        let alias = if existed {
            control.call(Method::PUT, &resource.path(), Some(&Json::Object(self.body()))).await?
        } else {
            let mut body = self.body();
            body.insert("aliasName".to_owned(), json!(name));
            control.call(Method::POST, &resource.collection(), Some(&Json::Object(body))).await?
        };
        Ok((alias, existed))
    }

    fn body(&self) -> Map<String, Json> {
        // An empty map takes shares back that were given before.
        let shares = self.share.iter().map(|share| (share.version.clone(), json!(share.weight)));
        let mut body = Map::from_iter([
            ("versionId".to_owned(), json!(self.version)),
            ("additionalVersionWeight".to_owned(), Json::Object(shares.collect())),
        ]);
        if let Some(description) = &self.description {
            body.insert("description".to_owned(), json!(description));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_version_and_a_part_of_one() {
        assert_eq!("2=0.05".parse(), Ok(Share { version: "2".to_owned(), weight: 0.05 }));
        for wrong in ["2", "2=5", "=0.5", "2=x", "2=-0.1"] {
            assert!(wrong.parse::<Share>().unwrap_err().contains("such as 2=0.05"), "{wrong}");
        }
    }
}
