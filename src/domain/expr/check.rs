//! What is checked of an expression before it is ever evaluated, and how it is made safe.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr as Node, LiteralValue, operators};
use cel::parser::Parser;

use super::error::{ExprError, shown};
use super::{NESTING_MAX, TEXT_BYTES_MAX, functions};

/// How deep a tree may be. A sum of so many terms is as deep as that; evaluating it takes stack
/// for each level.
const DEPTH_MAX: usize = 200;

/// Reads `text`. Returns the tree to evaluate, and what it looks at.
pub(super) fn compile(text: &str) -> Result<(IdedExpr, Vec<Vec<String>>), ExprError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ExprError::TooLong { length: text.len(), max: TEXT_BYTES_MAX });
    }
    let syntax = |reason: &str| ExprError::Syntax { expr: shown(text), reason: reason.into() };
    if text.trim().is_empty() {
        return Err(syntax("it is empty"));
    }
    let depth = written_depth(text);
    if depth > DEPTH_MAX {
        return Err(syntax("it has too many parts"));
    }
    let mut tree = Parser::default().parse(text).map_err(|errors| {
        let told = errors.errors.first().map(|error| {
            format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg.trim())
        });
        syntax(&shown(told.as_deref().unwrap_or("it cannot be read")))
    })?;
    let mut walk = Walk { text, loops: 0, depth: 0, bound: Vec::new(), paths: Vec::new() };
    walk.visit(&mut tree)?;
    Ok((tree, walk.paths))
}

/// An upper bound of how deep the tree of `text` gets: one level for each operator, bracket,
/// call and selection outside of quotes. The parser recurses as deep.
pub(super) fn written_depth(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    let mut depth = 0;
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if "+-*/%<>=!?&|([{.".contains(c) => depth += 1,
            _ => {}
        }
    }
    depth
}

struct Walk<'t> {
    text: &'t str,
    /// How many loops are around this place.
    loops: usize,
    depth: usize,
    /// Names that loops give to items.
    bound: Vec<String>,
    paths: Vec<Vec<String>>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &mut IdedExpr) -> Result<(), ExprError> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            let reason = "it has too many parts".into();
            return Err(ExprError::Syntax { expr: shown(self.text), reason });
        }
        let visited = self.inside(node);
        self.depth -= 1;
        visited
    }

    fn inside(&mut self, node: &mut IdedExpr) -> Result<(), ExprError> {
        if let Some(path) = constant_path(node) {
            if !self.bound.contains(&path[0]) && !functions::TYPES.contains(&path[0].as_str()) {
                self.paths.push(path);
            }
            return Ok(());
        }
        match &mut node.expr {
            Node::Unspecified | Node::Literal(_) | Node::Ident(_) => Ok(()),
            Node::Select(select) => self.visit(&mut select.operand),
            Node::List(list) => list.elements.iter_mut().try_for_each(|item| self.visit(item)),
            Node::Map(map) => self.entries(&mut map.entries),
            Node::Struct(made) => {
                let name = made.type_name.clone();
                Err(ExprError::UnknownFunction { expr: shown(self.text), name })
            }
            Node::Call(_) => self.call(node),
            Node::Comprehension(_) => self.comprehension(node),
        }
    }

    fn entries(
        &mut self,
        entries: &mut [cel::common::ast::IdedEntryExpr],
    ) -> Result<(), ExprError> {
        for entry in entries {
            match &mut entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&mut entry.key)?;
                    self.visit(&mut entry.value)?;
                }
                EntryExpr::StructField(field) => self.visit(&mut field.value)?,
            }
        }
        Ok(())
    }

    fn call(&mut self, node: &mut IdedExpr) -> Result<(), ExprError> {
        let Node::Call(call) = &mut node.expr else { return Ok(()) };
        self.check_name(call)?;
        self.check_pattern(call)?;
        if call.func_name == "age" {
            call.args.push(IdedExpr { id: node.id, expr: Node::Ident("now".into()) });
        }
        if let Some(target) = &mut call.target {
            self.visit(target)?;
        }
        for arg in &mut call.args {
            self.visit(arg)?;
        }
        // The evaluator itself collects with `+`, and knows that it need not copy then.
        let collects = matches!(call.args.first(), Some(IdedExpr { expr: Node::Ident(name), .. })
            if self.bound.contains(name));
        if call.func_name == operators::ADD && !collects {
            wrap(node, functions::SUM);
        }
        Ok(())
    }

    fn check_name(&self, call: &CallExpr) -> Result<(), ExprError> {
        let name = call.func_name.as_str();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(());
        }
        let expr = || shown(self.text);
        let Some(known) = functions::KNOWN.iter().find(|known| known.name == name) else {
            return Err(ExprError::UnknownFunction { expr: expr(), name: name.to_owned() });
        };
        let args = Some(call.args.len());
        let fits =
            if call.target.is_some() { known.method == args } else { known.function == args };
        if fits {
            return Ok(());
        }
        Err(ExprError::WrongCall { expr: expr(), name: name.to_owned(), usage: known.usage })
    }

    /// A pattern that is written out must be one.
    fn check_pattern(&self, call: &CallExpr) -> Result<(), ExprError> {
        let at = match (call.func_name.as_str(), call.target.is_some()) {
            ("matches", true) => 0,
            ("matches" | "matches_ci", false) => 1,
            _ => return Ok(()),
        };
        let Some(Node::Literal(LiteralValue::String(pattern))) = call.args.get(at).map(|a| &a.expr)
        else {
            return Ok(());
        };
        functions::pattern(pattern.inner(), false).map(|_| ()).map_err(|reason| {
            let (expr, pattern) = (shown(self.text), shown(pattern.inner()));
            ExprError::BadPattern { expr, pattern, reason }
        })
    }

    fn comprehension(&mut self, node: &mut IdedExpr) -> Result<(), ExprError> {
        let Node::Comprehension(comprehension) = &mut node.expr else { return Ok(()) };
        self.visit(&mut comprehension.iter_range)?;
        wrap(&mut comprehension.iter_range, functions::RANGE);
        self.visit(&mut comprehension.accu_init)?;
        self.loops += 1;
        if self.loops > NESTING_MAX {
            return Err(ExprError::TooNested { expr: shown(self.text) });
        }
        let names = self.bound.len();
        self.bound.push(comprehension.iter_var.clone());
        self.bound.extend(comprehension.iter_var2.clone());
        self.bound.push(comprehension.accu_var.clone());
        self.visit(&mut comprehension.loop_cond)?;
        self.visit(&mut comprehension.loop_step)?;
        self.visit(&mut comprehension.result)?;
        self.bound.truncate(names);
        self.loops -= 1;
        Ok(())
    }
}

/// Puts a call of `function` around `node`.
fn wrap(node: &mut IdedExpr, function: &str) {
    let inner = std::mem::take(node);
    node.id = inner.id;
    node.expr =
        Node::Call(CallExpr { func_name: function.to_owned(), target: None, args: vec![inner] });
}

/// The variable and the keys of `a.b["c"]`.
fn constant_path(node: &IdedExpr) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut node = node;
    loop {
        match &node.expr {
            Node::Ident(name) => {
                keys.push(name.clone());
                keys.reverse();
                return Some(keys);
            }
            Node::Select(select) => {
                keys.push(select.field.clone());
                node = &select.operand;
            }
            Node::Call(call) if call.func_name == operators::INDEX => {
                let [operand, index] = call.args.as_slice() else { return None };
                let Node::Literal(LiteralValue::String(key)) = &index.expr else { return None };
                keys.push(key.inner().to_owned());
                node = operand;
            }
            _ => return None,
        }
    }
}
