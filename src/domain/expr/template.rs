//! Texts with expressions in them.

use serde_json::Value;

use super::error::{ExprError, shown};
use super::{CONTEXT_BYTES_MAX, Expr};

/// A text in which `{{ expression }}` stands for its value. `\{{` stands for the braces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Expr(Box<Expr>),
}

impl Template {
    /// Reads a text and checks the expressions in it.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let before = &rest[..at];
            let inside = &rest[at + 2..];
            if let Some(before) = before.strip_suffix('\\') {
                plain.push_str(before);
                plain.push_str("{{");
                rest = inside;
                continue;
            }
            plain.push_str(before);
            let end = end_of_expression(inside)
                .ok_or_else(|| ExprError::Unclosed { text: shown(&rest[at..]) })?;
            let expr = Expr::compile(inside[..end].trim())?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Expr(Box::new(expr)));
            rest = &inside[end + 2..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text for `vars`, an object of the variables by their names. Texts appear as they are,
    /// other values as JSON.
    pub fn render(&self, vars: &Value) -> Result<String, ExprError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Expr(expr) => {
                    match expr.eval(vars)? {
                        Value::String(value) => text.push_str(&value),
                        other => text.push_str(&other.to_string()),
                    }
                    if text.len() > CONTEXT_BYTES_MAX {
                        let what = format!("the text is longer than {CONTEXT_BYTES_MAX} bytes");
                        return Err(ExprError::TooLarge { expr: shown(expr.text()), what });
                    }
                }
            }
        }
        Ok(text)
    }

    /// The expressions in it, in their order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(&**expr),
            Part::Text(_) => None,
        })
    }

    /// The variables that its expressions look at, each once.
    pub fn variables(&self) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.expressions().flat_map(Expr::variables) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Where the `}}` is that ends an expression: those in quotes and in objects do not count.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quote = Some(c),
                '{' => open += 1,
                '}' if open > 0 => open -= 1,
                '}' if text[at + 1..].starts_with('}') => return Some(at),
                _ => {}
            },
        }
    }
    None
}
