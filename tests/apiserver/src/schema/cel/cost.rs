//! What comes in: a parsed rule and the type of what it looks at. What goes out: the most that running it once may cost, or
//! a name that does not exist. Pure.
//!
//! Costs follow the estimates of the CEL checker and of the Kubernetes functions: one for each access and simple call, a
//! tenth for each byte that is read, and loops as often as their list may have items. Where this build cannot tell a
//! type, it assumes the worst, as the API server does.

use std::sync::Arc;

use kube_cel::cel::Program;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::types::{Shape, Type};

/// What one byte of text costs.
const TEXT: f64 = 0.1;
/// What one byte of a pattern costs.
const PATTERN: f64 = 0.25;

/// The fewest and the most elements of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    min: u64,
    max: u64,
}

impl Size {
    const ONE: Self = Self { min: 1, max: 1 };
    const UNKNOWN: Self = Self { min: 0, max: u64::MAX };

    fn exact(size: u64) -> Self {
        Self { min: size, max: size }
    }

    fn add(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    fn multiply(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// What is known of an expression.
#[derive(Clone)]
struct Node {
    cost: u64,
    size: Option<Size>,
    kind: Arc<Type>,
}

impl Node {
    fn new(cost: u64, kind: Shape) -> Self {
        Self { cost, size: None, kind: Type::plain(kind) }
    }

    fn sized(cost: u64, kind: Shape, size: Size) -> Self {
        Self { size: Some(size), ..Self::new(cost, kind) }
    }

    /// A value of the object itself, whose bounds the schema gives.
    fn at(cost: u64, kind: Arc<Type>) -> Self {
        Self { cost, size: Some(Size { min: 0, max: kind.max_elements }), kind }
    }

    fn size(&self) -> Size {
        self.size.unwrap_or(match self.kind.shape {
            Shape::Bool | Shape::Int | Shape::Double | Shape::Duration | Shape::Timestamp => Size::ONE,
            _ => Size::UNKNOWN,
        })
    }

    fn element(&self) -> Option<Arc<Type>> {
        match &self.kind.shape {
            Shape::List(item) | Shape::Map(item) => Some(item.clone()),
            _ => None,
        }
    }
}

fn scale(amount: u64, factor: f64) -> u64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let scaled = (amount as f64 * factor).ceil() as u64;
    scaled
}

/// The estimate for one rule.
#[derive(Debug, PartialEq)]
pub struct Estimate {
    /// The most that one run may cost.
    pub cost: u64,
    /// What the expression yields, as far as it is known.
    pub yields: Shape,
}

/// A name that a rule uses and that does not exist.
#[derive(Debug, PartialEq)]
pub enum Unknown {
    /// A field of a type that is known.
    Field(String),
    /// A variable.
    Variable(String),
}

struct Estimator<'a> {
    root: Arc<Type>,
    optional_old: bool,
    scope: Vec<(&'a str, Node)>,
}

/// Estimates a rule.
///
/// # Errors
/// The first name that does not exist.
pub fn estimate(program: &Program, root: &Arc<Type>, optional_old: bool) -> Result<Estimate, Unknown> {
    let mut estimator = Estimator { root: root.clone(), optional_old, scope: Vec::new() };
    let node = estimator.node(program.expression())?;
    Ok(Estimate { cost: node.cost, yields: node.kind.shape.clone() })
}

/// Names that are types or prefixes of functions.
const NAMES: [&str; 24] = [
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "google",
    "optional",
    "sets",
    "math",
    "base64",
    "strings",
    "jsonpatch",
    "format",
    "ip",
    "cidr",
    "quantity",
    "cel",
    "lists",
    "duration",
];

impl<'a> Estimator<'a> {
    fn node(&mut self, expr: &'a IdedExpr) -> Result<Node, Unknown> {
        match &expr.expr {
            Expr::Unspecified => Ok(Node::new(0, Shape::Dyn)),
            Expr::Literal(value) => Ok(literal(value)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                let operand = self.node(&select.operand)?;
                let kind = match &operand.kind.shape {
                    Shape::Object(fields) => match fields.get(&select.field) {
                        Some(field) => field.clone(),
                        None => return Err(Unknown::Field(select.field.clone())),
                    },
                    Shape::Map(value) => value.clone(),
                    _ => return Ok(Node::new(operand.cost + u64::from(!select.test), Shape::Dyn)),
                };
                if select.test {
                    Ok(Node::new(operand.cost, Shape::Bool))
                } else {
                    Ok(Node::at(operand.cost.saturating_add(1), kind))
                }
            }
            Expr::List(list) => {
                let mut cost = 10_u64;
                let mut item = None;
                for element in &list.elements {
                    let node = self.node(element)?;
                    cost = cost.saturating_add(node.cost);
                    item.get_or_insert(node.kind);
                }
                let item = item.unwrap_or_else(|| Type::plain(Shape::Dyn));
                Ok(Node::sized(cost, Shape::List(item), Size::exact(list.elements.len() as u64)))
            }
            Expr::Map(map) => {
                let mut cost = 30_u64;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        cost = cost
                            .saturating_add(self.node(&entry.key)?.cost)
                            .saturating_add(self.node(&entry.value)?.cost);
                    }
                }
                let size = Size::exact(map.entries.len() as u64);
                Ok(Node::sized(cost, Shape::Map(Type::plain(Shape::Dyn)), size))
            }
            Expr::Struct(fields) => {
                let mut cost = 40_u64;
                for entry in &fields.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        cost = cost.saturating_add(self.node(&field.value)?.cost);
                    }
                }
                Ok(Node::new(cost, Shape::Dyn))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn variable(&self, name: &str) -> Result<Node, Unknown> {
        if let Some((_, node)) = self.scope.iter().rev().find(|(known, _)| *known == name) {
            return Ok(Node { cost: 1, ..node.clone() });
        }
        match name {
            "self" => Ok(Node::at(1, self.root.clone())),
            "oldSelf" if self.optional_old => Ok(Node::new(1, Shape::Dyn)),
            "oldSelf" => Ok(Node::at(1, self.root.clone())),
            name if NAMES.contains(&name) || name.starts_with(['@', '_']) => Ok(Node::new(1, Shape::Dyn)),
            name => Err(Unknown::Variable(name.to_owned())),
        }
    }

    fn comprehension(&mut self, loops: &'a ComprehensionExpr) -> Result<Node, Unknown> {
        let range = self.node(&loops.iter_range)?;
        let init = self.node(&loops.accu_init)?;
        let builds = matches!(init.kind.shape, Shape::List(_));
        let item = match &range.kind.shape {
            // Loops over maps run over their keys.
            Shape::Map(_) => {
                Node::at(1, Arc::new(Type { shape: Shape::String, max_elements: super::types::REQUEST, min_size: 2 }))
            }
            Shape::List(item) => Node::at(1, item.clone()),
            _ => Node::new(1, Shape::Dyn),
        };
        let depth = self.scope.len();
        self.scope.push((&loops.iter_var, item.clone()));
        if let Some(second) = &loops.iter_var2 {
            let value = range.element().map_or_else(|| Node::new(1, Shape::Dyn), |value| Node::at(1, value));
            self.scope.push((second, value));
        }
        let count = range.size();
        let accumulated =
            if builds { Node { size: Some(Size { min: 0, max: count.max }), ..init.clone() } } else { init.clone() };
        self.scope.push((&loops.accu_var, accumulated));
        let condition = self.node(&loops.loop_cond)?;
        let step = self.node(&loops.loop_step)?;
        let result = self.node(&loops.result)?;
        self.scope.truncate(depth);
        let once = condition.cost.saturating_add(step.cost);
        let cost = range
            .cost
            .saturating_add(init.cost)
            .saturating_add(count.max.saturating_mul(once))
            .saturating_add(result.cost);
        if builds {
            let kind = match &step.kind.shape {
                Shape::List(_) => step.kind.clone(),
                _ => Type::plain(Shape::List(Type::plain(Shape::Dyn))),
            };
            return Ok(Node { cost, size: Some(Size { min: 0, max: count.max }), kind });
        }
        Ok(Node { cost, size: None, kind: result.kind })
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Node, Unknown> {
        let target = call.target.as_deref().map(|target| self.node(target)).transpose()?;
        let args = call.args.iter().map(|arg| self.node(arg)).collect::<Result<Vec<_>, _>>()?;
        Ok(call_cost(&call.func_name, target.as_ref(), &args))
    }
}

fn literal(value: &LiteralValue) -> Node {
    match value {
        LiteralValue::Boolean(_) => Node::new(0, Shape::Bool),
        LiteralValue::Int(_) | LiteralValue::UInt(_) => Node::new(0, Shape::Int),
        LiteralValue::Double(_) => Node::new(0, Shape::Double),
        LiteralValue::String(text) => Node::sized(0, Shape::String, Size::exact(text.inner().len() as u64)),
        LiteralValue::Bytes(bytes) => Node::sized(0, Shape::Bytes, Size::exact(bytes.inner().len() as u64)),
        LiteralValue::Null => Node::sized(0, Shape::Dyn, Size::ONE),
    }
}

fn call_cost(name: &str, target: Option<&Node>, args: &[Node]) -> Node {
    let given = target.map_or(0, |target| target.cost);
    let sum = args.iter().fold(given, |sum, arg| sum.saturating_add(arg.cost));
    let plus = |cost: u64| sum.saturating_add(cost);
    let size = |index: usize| args.get(index).map_or(Size::UNKNOWN, Node::size);
    let of = target.map_or_else(|| size(0), Node::size);
    let text = |cost: u64, size: Size| Node::sized(plus(cost), Shape::String, size);
    match (name, args) {
        ("_&&_" | "_||_", _) => Node::new(sum, Shape::Bool),
        ("_?_:_", [condition, yes, no]) => {
            let cost = condition.cost.saturating_add(yes.cost.max(no.cost));
            Node { cost, size: Some(yes.size().union(no.size())), kind: yes.kind.clone() }
        }
        ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
            let ordered = !matches!(name, "_==_" | "_!=_");
            let plain = |node: &Node| !matches!(node.kind.shape, Shape::String | Shape::Bytes | Shape::Dyn);
            if ordered && plain(left) && plain(right) {
                return Node::new(plus(1), Shape::Bool);
            }
            Node::new(plus(scale(left.size().max.min(right.size().max), TEXT)), Shape::Bool)
        }
        ("_+_", [left, right]) => match left.kind.shape {
            Shape::List(_) => {
                let kind = if left.element().is_some_and(|item| item.shape == Shape::Dyn) {
                    right.kind.clone()
                } else {
                    left.kind.clone()
                };
                Node { cost: plus(1), size: Some(left.size().add(right.size())), kind }
            }
            Shape::String | Shape::Bytes | Shape::Dyn => {
                let size = left.size().add(right.size());
                Node { cost: plus(scale(size.max, TEXT)), size: Some(size), kind: left.kind.clone() }
            }
            _ => Node { cost: plus(1), size: None, kind: left.kind.clone() },
        },
        ("_-_" | "_*_" | "_/_" | "_%_" | "-_", [first, ..]) => {
            Node { cost: plus(1), size: None, kind: first.kind.clone() }
        }
        ("!_" | "@not_strictly_false", _) => Node::new(plus(1), Shape::Bool),
        ("_[_]", [list, ..]) => match list.element() {
            Some(item) => Node { cost: plus(1), ..Node::at(0, item) },
            None => Node::new(plus(1), Shape::Dyn),
        },
        ("@in", [_, list]) => {
            let cost = if matches!(list.kind.shape, Shape::Map(_)) { 1 } else { list.size().max };
            Node::new(plus(cost), Shape::Bool)
        }
        ("contains", [_]) if target.is_some() => {
            Node::new(plus(scale(of.max, TEXT).saturating_mul(scale(size(0).max, TEXT))), Shape::Bool)
        }
        ("startsWith" | "endsWith", [_]) => Node::new(plus(scale(size(0).max, TEXT)), Shape::Bool),
        ("matches", _) => {
            let pattern = if target.is_some() { size(0) } else { size(1) };
            Node::new(plus(scale(of.add(Size::ONE).max, TEXT).saturating_mul(scale(pattern.max, PATTERN))), Shape::Bool)
        }
        ("find" | "findAll", [_, ..]) => {
            let cost = scale(of.add(Size::ONE).max, TEXT).saturating_mul(scale(size(0).max, PATTERN));
            let shape = if name == "find" { Shape::String } else { Shape::List(Type::plain(Shape::String)) };
            Node::sized(plus(cost), shape, Size { min: 0, max: of.max })
        }
        ("size", _) => Node::new(plus(1), Shape::Int),
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", _) if target.is_some() => {
            aggregate(name, target, of, sum)
        }
        ("lowerAscii" | "upperAscii" | "substring" | "trim", _) => text(scale(of.max, TEXT), of),
        ("url" | "jsonpatch.escapeKey", [_]) => Node::sized(plus(scale(size(0).max, TEXT)), Shape::Dyn, size(0)),
        ("replace", [_, _, ..]) => text(scale(of.max, 2.0 * TEXT), replaced(of, size(0), size(1))),
        ("split", _) => {
            let cost = scale(of.max, 2.0 * TEXT);
            Node::sized(plus(cost), Shape::List(Type::plain(Shape::String)), Size { min: 0, max: of.max })
        }
        ("join", _) => {
            let element = target.and_then(Node::element).map_or(Size::UNKNOWN, |item| Node::at(0, item).size());
            let separators = Size { min: of.min.saturating_sub(1), max: of.max.saturating_sub(1) };
            let between = if args.is_empty() { Size::exact(0) } else { size(0).multiply(separators) };
            let all = of.multiply(element).add(between);
            text(scale(all.max, TEXT), all)
        }
        ("quantity" | "isQuantity" | "semver" | "isSemver" | "ip" | "cidr" | "isIP" | "isCIDR" | "isURL", [_, ..]) => {
            let shape = if name.starts_with("is") { Shape::Bool } else { Shape::Dyn };
            Node::new(plus(scale(size(0).max, TEXT)), shape)
        }
        ("string", [value]) => {
            let cost = if value.kind.shape == Shape::Bytes { scale(size(0).max, TEXT) } else { 1 };
            let size = match value.kind.shape {
                Shape::String | Shape::Bytes => value.size(),
                Shape::Dyn | Shape::List(_) | Shape::Map(_) | Shape::Object(_) => Size::UNKNOWN,
                // Numbers, times and truth values have short texts.
                Shape::Bool | Shape::Int | Shape::Double | Shape::Duration | Shape::Timestamp => {
                    Size { min: 1, max: 40 }
                }
            };
            text(cost, size)
        }
        ("int" | "uint", _) => Node::new(plus(1), Shape::Int),
        ("double", _) => Node::new(plus(1), Shape::Double),
        ("duration", _) => Node::new(plus(1), Shape::Duration),
        ("timestamp", _) => Node::new(plus(1), Shape::Timestamp),
        ("isGreaterThan" | "isLessThan" | "hasValue" | "isInteger", _) => Node::new(plus(1), Shape::Bool),
        _ => Node::new(plus(1), Shape::Dyn),
    }
}

fn aggregate(name: &str, target: Option<&Node>, of: Size, sum: u64) -> Node {
    let element = target.and_then(Node::element);
    let cost = match &element {
        Some(item) => {
            let texts = matches!(item.shape, Shape::String | Shape::Bytes);
            let each = 1 + if texts { scale(item.max_elements, TEXT) } else { 0 };
            of.max.saturating_mul(each)
        }
        None => scale(of.max, TEXT),
    };
    let shape = match (name, element) {
        ("isSorted", _) => Shape::Bool,
        ("indexOf" | "lastIndexOf", _) => Shape::Int,
        (_, Some(item)) => item.shape.clone(),
        (_, None) => Shape::Dyn,
    };
    Node::new(sum.saturating_add(cost), shape)
}

/// How long a text may be after all of one text in it was replaced by another.
fn replaced(text: Size, from: Size, to: Size) -> Size {
    if from.min == 0 {
        let count = text.max.saturating_add(1);
        return Size { min: 0, max: count.saturating_mul(to.max).saturating_add(text.max) };
    }
    let max = if to.max <= from.min { text.max } else { text.max.div_ceil(from.min).saturating_mul(to.max) };
    Size { min: 0, max }
}

#[cfg(test)]
mod tests;
