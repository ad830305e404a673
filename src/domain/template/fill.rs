//! Putting values into the texts of a template.

/// What can be put in.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// For `{goal}`.
    pub goal: &'a str,
    /// For `{team_name}`.
    pub team_name: &'a str,
    /// For `{agent_name}`.
    pub agent_name: &'a str,
}

/// `text` with `{goal}`, `{team_name}` and `{agent_name}` replaced. Every other brace stays, and
/// what was put in is not looked at again.
pub fn fill(text: &str, values: &Values<'_>) -> String {
    let fields = [
        ("{goal}", values.goal),
        ("{team_name}", values.team_name),
        ("{agent_name}", values.agent_name),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let field = fields.iter().find(|(field, _)| rest.starts_with(field));
        let (taken, value) = field.map_or((1, "{"), |(field, value)| (field.len(), *value));
        out.push_str(value);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}
