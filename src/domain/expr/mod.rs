//! Conditions and other expressions, in CEL, and texts with expressions in them.
//!
//! An expression is checked when a workflow is made: its length, how deep its loops go, which
//! functions it calls, its patterns. When it is evaluated, what it looks at is bounded. An
//! expression that cannot be evaluated is an error that names it; it is never "false".

mod check;
mod error;
mod functions;
mod glob;
mod template;
#[cfg(test)]
mod tests;
mod value;

use cel::{Context, ExecutionError, IdedExpr, Value as Cel};
use serde_json::Value;

pub use error::ExprError;
pub use glob::matches as glob_matches;
pub use template::Template;

/// Bytes of an expression.
pub const TEXT_BYTES_MAX: usize = 4096;
/// How deep loops over lists may be nested: each level multiplies the time.
pub const NESTING_MAX: usize = 2;
/// Items of a list that an expression goes through.
pub const LIST_ITEMS_MAX: usize = 1000;
/// Bytes of a text that an expression looks at.
pub const STRING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all that an expression looks at.
pub const CONTEXT_BYTES_MAX: usize = 1024 * 1024;

/// Up to this depth any stack is large enough.
const SHALLOW: usize = 12;
/// The stack for deeper ones: some 40 kB for each level without optimization.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Does `work`, on a stack of its own if it is `deep`.
fn with_stack<T: Send>(
    deep: bool,
    text: &str,
    work: impl FnOnce() -> Result<T, ExprError> + Send,
) -> Result<T, ExprError> {
    if !deep {
        return work();
    }
    let failed =
        |reason: String| ExprError::Failed { expr: error::shown(text), reason, missing: None };
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder
            .spawn_scoped(scope, work)
            .map_err(|error| failed(format!("there is no thread for it: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(failed("its evaluation broke off".into())))
    })
}

/// An expression that passed its checks.
#[derive(Debug, Clone)]
pub struct Expr {
    text: String,
    tree: IdedExpr,
    paths: Vec<Vec<String>>,
    /// Whether it is so deep that it takes a larger stack.
    deep: bool,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expr {
    /// Reads and checks an expression.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        let deep = text.len() <= TEXT_BYTES_MAX && check::written_depth(text) > SHALLOW;
        let (tree, paths) = with_stack(deep, text, || check::compile(text))?;
        Ok(Self { text: text.to_owned(), tree, paths, deep })
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it looks at, each once, in the order of their first use. Names that
    /// its own loops give to items are not among them.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for path in &self.paths {
            if !names.contains(&path[0]) {
                names.push(path[0].clone());
            }
        }
        names
    }

    /// What it looks at, each as the name of a variable and the constant keys after it:
    /// `nodes["a"].output.n` is `nodes`, `a`, `output`, `n`.
    pub fn paths(&self) -> &[Vec<String>] {
        &self.paths
    }

    /// The value for `vars`, an object of the variables by their names.
    pub fn eval(&self, vars: &Value) -> Result<Value, ExprError> {
        with_stack(self.deep, &self.text, || self.evaluate(vars))
    }

    fn evaluate(&self, vars: &Value) -> Result<Value, ExprError> {
        let mut context = Context::with_env(functions::environment());
        value::bind(&mut context, vars, &self.paths).map_err(|what| self.too_large(what))?;
        functions::begin();
        let found = Cel::resolve_val(&self.tree, &context).map_err(|e| self.failed(&e))?;
        let mut room = CONTEXT_BYTES_MAX;
        value::to_json(found.as_ref(), &mut room).map_err(|error| match error {
            value::NoJson::TooLarge => {
                self.too_large(format!("its value is larger than {CONTEXT_BYTES_MAX} bytes"))
            }
            value::NoJson::Other(reason) => ExprError::Failed {
                expr: error::shown(&self.text),
                reason: reason.to_owned(),
                missing: None,
            },
        })
    }

    /// The value, which must be `true` or `false`.
    pub fn eval_bool(&self, vars: &Value) -> Result<bool, ExprError> {
        match self.eval(vars)? {
            Value::Bool(answer) => Ok(answer),
            other => Err(self.wrong_type("true or false", &other)),
        }
    }

    /// The value, which must be a text or a whole number, as text.
    pub fn eval_text(&self, vars: &Value) -> Result<String, ExprError> {
        match self.eval(vars)? {
            Value::String(text) => Ok(text),
            Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
            other => Err(self.wrong_type("a text or a whole number", &other)),
        }
    }

    /// The value, which must be a list.
    pub fn eval_list(&self, vars: &Value) -> Result<Vec<Value>, ExprError> {
        match self.eval(vars)? {
            Value::Array(items) => Ok(items),
            other => Err(self.wrong_type("a list", &other)),
        }
    }

    fn wrong_type(&self, wanted: &'static str, got: &Value) -> ExprError {
        let got = match got {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        ExprError::WrongType { expr: error::shown(&self.text), wanted, got }
    }

    fn too_large(&self, what: String) -> ExprError {
        ExprError::TooLarge { expr: error::shown(&self.text), what }
    }

    fn failed(&self, error: &ExecutionError) -> ExprError {
        let (reason, missing) = match error {
            ExecutionError::NoSuchKey(key) => {
                (format!("there is no key '{key}'"), Some(key.to_string()))
            }
            ExecutionError::UndeclaredReference(name) => {
                (format!("there is no variable '{name}'"), Some(name.to_string()))
            }
            ExecutionError::NoSuchOverload(overload) => {
                let types = overload.argument_types().join(", ");
                let name = overload.function().trim_matches('_');
                (format!("'{name}' does not go with ({types})"), None)
            }
            ExecutionError::FunctionError { function, message } => {
                if let Some(what) = message.strip_prefix(functions::TOO_LARGE) {
                    return self.too_large(what.to_owned());
                }
                (format!("{function}: {message}"), None)
            }
            // What follows would show values.
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                ("a division by zero".into(), None)
            }
            ExecutionError::Overflow(..) => ("a number is too large".into(), None),
            ExecutionError::IndexOutOfBounds(_) => {
                ("there is no such place in a list".into(), None)
            }
            ExecutionError::ValuesNotComparable(..) => {
                ("values of different types cannot be compared".into(), None)
            }
            ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
                (format!("'{operator}' does not go with values of these types"), None)
            }
            ExecutionError::DuplicateKey(_) => ("a key is given twice".into(), None),
            _ => ("a value is of a wrong type".into(), None),
        };
        ExprError::Failed { expr: error::shown(&self.text), reason, missing }
    }
}
