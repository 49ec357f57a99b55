//! Rewriting of paths by a route's rules, as the page "configure a custom domain" describes them: equal rules, then
//! wildcard rules, then regular expressions; the first that matches is used.

use std::sync::Arc;

use regex::Regex;

/// One rule of a route.
#[derive(Clone, Debug)]
pub enum RewriteRule {
    /// The whole path is the text.
    Equal {
        /// The text.
        from: Arc<str>,
        /// What it becomes.
        to: Arc<str>,
    },
    /// The part of the path that matches is replaced. `*` is any text, `^` in front means the path's beginning, and `$1`
    /// is what the first `*` had.
    Wildcard {
        /// The pattern.
        from: Arc<str>,
        /// What the matching part becomes.
        to: Arc<str>,
    },
    /// The part of the path that matches is replaced; `$1` is what the first group had.
    Regex {
        /// The expression. It is matched in linear time, whatever it says.
        from: Regex,
        /// What the matching part becomes.
        to: Arc<str>,
    },
}

/// What a path and query become; `None`: they stay.
pub(crate) fn rewritten(rules: &[RewriteRule], path: &str, query: Option<&str>) -> Option<String> {
    let path = rules.iter().find_map(|rule| match rule {
        RewriteRule::Equal { from, to } => (**from == *path).then(|| to.to_string()),
        RewriteRule::Wildcard { from, to } => wildcard(from, to, path),
        RewriteRule::Regex { from, to } => by_regex(from, to, path),
    })?;
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    Some(match query {
        None => path,
        Some(query) if path.contains('?') => format!("{path}&{query}"),
        Some(query) => format!("{path}?{query}"),
    })
}

fn by_regex(from: &Regex, to: &str, path: &str) -> Option<String> {
    let groups = from.captures(path)?;
    let whole = groups.get(0)?;
    let captures: Vec<_> = groups.iter().skip(1).map(|group| group.map_or("", |group| group.as_str())).collect();
    Some(format!("{}{}{}", path.get(..whole.start())?, expanded(to, &captures), path.get(whole.end()..)?))
}

fn wildcard(from: &str, to: &str, path: &str) -> Option<String> {
    let (anchored, pattern) = from.strip_prefix('^').map_or((false, from), |rest| (true, rest));
    let starts = path.char_indices().map(|(index, _)| index).take(if anchored { 1 } else { usize::MAX });
    starts.into_iter().find_map(|start| {
        let (captures, end) = match_at(pattern, path.get(start..)?)?;
        let end = start + end;
        Some(format!("{}{}{}", path.get(..start)?, expanded(to, &captures), path.get(end..)?))
    })
}

/// What each `*` had, and where the match ends. A `*` takes as much as it can only at the end of the pattern, so that
/// matching takes linear time: before a literal it takes as little as it must.
fn match_at<'a>(pattern: &str, text: &'a str) -> Option<(Vec<&'a str>, usize)> {
    let mut parts = pattern.split('*');
    let first = parts.next()?;
    text.starts_with(first).then_some(())?;
    let (mut captures, mut position) = (Vec::new(), first.len());
    let mut parts = parts.peekable();
    while let Some(literal) = parts.next() {
        let rest = text.get(position..)?;
        let is_last = parts.peek().is_none();
        let length = if literal.is_empty() && is_last { rest.len() } else { rest.find(literal)? };
        captures.push(rest.get(..length)?);
        position += length + literal.len();
    }
    Some((captures, position))
}

fn expanded(template: &str, captures: &[&str]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        let (before, after) = rest.split_at(dollar);
        text.push_str(before);
        let digits = after.get(1..).unwrap_or_default();
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = digits.get(..length).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        match number.checked_sub(1) {
            Some(index) => text.push_str(captures.get(index).copied().unwrap_or_default()),
            None => text.push_str(after.get(..=length).unwrap_or_default()),
        }
        rest = after.get(1 + length..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_wildcard(from: &str, to: &str, path: &str) -> Option<String> {
        rewritten(&[RewriteRule::Wildcard { from: from.into(), to: to.into() }], path, None)
    }

    #[test]
    fn an_equal_rule_takes_the_whole_path_only() {
        let rule = [RewriteRule::Equal { from: "/old".into(), to: "/new".into() }];
        assert_eq!(rewritten(&rule, "/old", Some("a=1")).unwrap(), "/new?a=1");
        assert_eq!(rewritten(&rule, "/old/", None), None);
    }

    #[test]
    fn a_wildcard_rule_replaces_what_it_finds_unless_it_is_anchored() {
        assert_eq!(by_wildcard("/api/*", "/$1", "/api/users/1").unwrap(), "/users/1");
        assert_eq!(by_wildcard("/old", "/new", "/test/old").unwrap(), "/test/new");
        assert_eq!(by_wildcard("^/old", "/new", "/test/old"), None);
        assert_eq!(by_wildcard("/a/*/b/*", "/$2/$1", "/a/x/b/y").unwrap(), "/y/x");
        assert_eq!(by_wildcard("/a/*.js", "/js/$1", "/a/x.js").unwrap(), "/js/x");
    }

    #[test]
    fn a_regular_expression_gives_its_groups() {
        let rule =
            [RewriteRule::Regex { from: Regex::new("^/js/(.*?)$").unwrap(), to: "/public/javascripts/$1".into() }];
        assert_eq!(rewritten(&rule, "/js/a.js", None).unwrap(), "/public/javascripts/a.js");
        assert_eq!(rewritten(&rule, "/css/a.css", None), None);
    }

    #[test]
    fn a_hostile_path_takes_no_time() {
        let path = format!("/{}", "a".repeat(4000));
        assert_eq!(by_wildcard("*a*a*a*a*a*a*b", "/", &path), None);
    }
}
