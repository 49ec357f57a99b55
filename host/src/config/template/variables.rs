//! `${…}` → values, by the rules of the tool whose file it is.

use std::{borrow::Cow, fs};

use super::{
    Environment, Report,
    yaml::{Entry, Node, Value},
};

/// Values that lead to values that lead to …: as deep as anybody writes them, so that a circle ends.
const DEPTH: usize = 16;

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Fun: `${NAME}` is a variable of the environment, `Ref` a parameter's default or a resource's name.
    Fun,
    /// Serverless Devs: `${vars.…}`, `${env.…}`, `${env(…)}`, `${resources.….props.…}`, `${this.props.…}`, `${file(…)}`
    /// and a few more.
    ServerlessDevs,
}

/// The tree with every variable replaced; those that cannot be are reported and stay.
pub(super) fn resolve(root: &Node, dialect: Dialect, environment: Environment<'_>, report: &Report<'_>) -> Node {
    Resolver { root, dialect, environment, report }.node(root, &[], 0)
}

struct Resolver<'a> {
    root: &'a Node,
    dialect: Dialect,
    environment: Environment<'a>,
    report: &'a Report<'a>,
}

impl Resolver<'_> {
    /// `path` are the keys that lead to `node`.
    fn node(&self, node: &Node, path: &[&str], depth: usize) -> Node {
        let value = match &node.value {
            Value::Text(text) if text.contains("${") => return self.text(node.line, text, path, depth),
            Value::List(items) => Value::List(items.iter().map(|item| self.node(item, path, depth)).collect()),
            Value::Map(entries) => match self.intrinsic(entries) {
                Some(value) => value,
                None => Value::Map(entries.iter().map(|entry| self.entry(entry, path, depth)).collect()),
            },
            other => other.clone(),
        };
        Node { line: node.line, value }
    }

    fn entry(&self, entry: &Entry, path: &[&str], depth: usize) -> Entry {
        let path = [path, &[entry.key.as_str()]].concat();
        Entry { node: self.node(&entry.node, &path, depth), ..entry.clone() }
    }

    /// `{Ref: Name}` of Fun.
    fn intrinsic(&self, entries: &[Entry]) -> Option<Value> {
        let [Entry { key, node, line }] = entries else { return None };
        if self.dialect != Dialect::Fun || !(key == "Ref" || key.starts_with("Fn::")) {
            return None;
        }
        let name = node.text()?;
        let parameter = self.root.get("Parameters").and_then(|parameters| parameters.get(&name));
        if key == "Ref"
            && let Some(default) = parameter.and_then(|parameter| parameter.get("Default"))
        {
            return Some(default.value.clone());
        }
        if key == "Ref" && self.root.get("Resources").is_some_and(|resources| resources.get(&name).is_some()) {
            return Some(Value::Text(name));
        }
        let message = match (key.as_str(), parameter) {
            ("Ref", Some(_)) => format!("parameter {name} has no `Default`, and nobody is asked; give it one"),
            ("Ref", None) => format!("there is neither a parameter nor a resource {name}"),
            _ => format!("wisp does not know the function `{key}`; write the value itself"),
        };
        self.report.problem(*line, message);
        Some(Value::Null)
    }

    /// A text that is one variable takes its value as it is; others are put together.
    fn text(&self, line: usize, text: &str, path: &[&str], depth: usize) -> Node {
        let whole = |value| Node { line, value };
        let mut parts = parts(text);
        if let [Part::Variable(expression)] = parts.as_slice() {
            return whole(self.value(expression, line, path, depth).unwrap_or_else(|| Value::Text(text.to_owned())));
        }
        let joined: String = parts
            .drain(..)
            .map(|part| match part {
                Part::Text(text) => text.to_owned(),
                Part::Variable(expression) => self
                    .value(expression, line, path, depth)
                    .and_then(|value| whole(value).text())
                    .unwrap_or_else(|| format!("${{{expression}}}")),
            })
            .collect();
        whole(Value::Text(joined))
    }

    fn value(&self, expression: &str, line: usize, path: &[&str], depth: usize) -> Option<Value> {
        let expression = expression.trim();
        let found = match self.dialect {
            _ if depth > DEPTH => Err("leads to itself".to_owned()),
            Dialect::Fun => self.fun(expression, line),
            Dialect::ServerlessDevs => self.serverless_devs(expression, path, depth),
        };
        match found {
            Ok(value) => value,
            Err(reason) => {
                self.report.problem(line, format!("`${{{expression}}}` {reason}"));
                None
            }
        }
    }

    /// What Fun itself leaves alone if the environment does not have it: it may be meant for somebody else.
    fn fun(&self, expression: &str, line: usize) -> Result<Option<Value>, String> {
        let value = self.environment.get(expression).map(Value::Text);
        if value.is_none() {
            self.report.warn(line, format!("`${{{expression}}}` stays: the environment has no variable {expression}"));
        }
        Ok(value)
    }

    fn serverless_devs(&self, expression: &str, path: &[&str], depth: usize) -> Result<Option<Value>, String> {
        if let Some((function, arguments)) = call(expression) {
            return self.call(function, &arguments).map(Some);
        }
        let segments: Vec<&str> = expression.split('.').map(str::trim).collect();
        let target: Vec<&str> = match segments.as_slice() {
            ["env", name] => return self.environment_value(name, None).map(Some),
            ["vars", ..] => segments,
            ["resources" | "services", name, "output", ..] => {
                return Err(format!(
                    "is what the deployment of {name} answers, which wisp has no part in; write the value"
                ));
            }
            ["resources" | "services", _, "props", ..] => segments,
            ["this", rest @ ..] => [path.get(..2).unwrap_or_default(), rest].concat(),
            // The first edition leaves `services` out.
            [name, "props", ..] if self.is_project(name) => [&["services"][..], &segments].concat(),
            _ => {
                return Err(
                    "is no variable that wisp knows; there are vars.…, env.…, env(…), resources.NAME.props.…, \
                            this.props.…, file(…) and config(…)"
                        .to_owned(),
                );
            }
        };
        let found = self.follow(&target, depth);
        let node = found.ok_or_else(|| format!("leads nowhere: there is no `{}`", target.join(".")))?;
        Ok(Some(self.node(&node, &target, depth + 1).value))
    }

    /// The value at a path; on the way there may be variables, too.
    fn follow(&self, target: &[&str], depth: usize) -> Option<Cow<'_, Node>> {
        let mut node = Cow::Borrowed(self.root);
        for (index, key) in target.iter().enumerate() {
            if let Value::Text(text) = &node.value
                && text.contains("${")
            {
                node = Cow::Owned(self.text(node.line, text, target.get(..index)?, depth + 1));
            }
            node = match node {
                Cow::Borrowed(node) => Cow::Borrowed(step(node, key)?),
                Cow::Owned(node) => Cow::Owned(step(&node, key)?.clone()),
            };
        }
        Some(node)
    }

    fn is_project(&self, name: &str) -> bool {
        self.root.get("services").is_some_and(|services| services.get(name).is_some())
    }

    fn call(&self, function: &str, arguments: &[&str]) -> Result<Value, String> {
        match (function, arguments) {
            ("env", [name]) => self.environment_value(name, None),
            ("env", [name, default]) => self.environment_value(name, Some(default)),
            ("file" | "File", [path]) => {
                let file = self.report.directory().join(path);
                let text = fs::read_to_string(&file)
                    .map_err(|error| format!("cannot be read: {}: {error}", file.display()))?;
                Ok(Value::Text(text))
            }
            ("path", [path]) => {
                let path = std::path::absolute(self.report.directory().join(path));
                path.map(|path| Value::Text(path.display().to_string())).map_err(|error| error.to_string())
            }
            // What a configuration of credentials would hold. wisp serves one account.
            ("config" | "Config", ["AccountID" | "AccountId"]) => Ok(Value::Text("000000000000".to_owned())),
            _ => Err(format!("calls {function}, which wisp does not know; write the value itself")),
        }
    }

    fn environment_value(&self, name: &str, default: Option<&str>) -> Result<Value, String> {
        let value = self.environment.get(name).or_else(|| default.map(str::to_owned));
        value.map(Value::Text).ok_or_else(|| format!("is not set: the environment has no variable {name}"))
    }
}

fn step<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.value {
        Value::List(items) => items.get(key.parse::<usize>().ok()?),
        _ => node.get(key),
    }
}

enum Part<'a> {
    Text(&'a str),
    /// What is between `${` and `}`.
    Variable(&'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${")
        && let Some((variable, behind)) = after.split_once('}')
    {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Variable(variable));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// `name(a, 'b')` as a name and its arguments without quotes.
fn call(expression: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = expression.split_once('(')?;
    let arguments = rest.trim_end().strip_suffix(')')?;
    Some((name.trim(), arguments.split(',').map(|argument| argument.trim().trim_matches(['\'', '"'])).collect()))
}
