//! Which fields there are in a definition, and what they hold.

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    /// A text.
    Text,
    /// A CEL expression; a number or a truth value stands for itself.
    Expr,
    /// The name of a port or branch; a truth value is `yes` or `no`.
    Port,
    /// `true` or `false`.
    Bool,
    /// A whole number between two others.
    Int(i64, i64),
    /// A number.
    Number,
    /// A length of time.
    Duration,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or one of these beginnings with something after it.
    Tagged(&'static [&'static str], &'static [&'static str]),
    /// Anything.
    Any,
    /// An object of anything.
    Object,
    /// A list.
    List(&'static Type),
    /// A list, or its only item.
    OneOrMany(&'static Type),
    /// A program with its arguments; one line if `shell` is true beside it.
    Argv,
    /// An object with names of the author's own.
    Map(&'static Type),
    /// An object with known fields.
    Struct(&'static [Field]),
    /// The nodes.
    Nodes,
    /// `direct`, `all`, or a list of nodes.
    ContextFrom,
    /// The name of a workflow, or a definition.
    Body,
}

/// A field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Another name that is understood.
    pub(super) alias: &'static str,
    pub(super) kind: Type,
    pub(super) required: bool,
}

const fn f(name: &'static str, kind: Type) -> Field {
    Field { name, alias: "", kind, required: false }
}

const fn needed(name: &'static str, kind: Type) -> Field {
    Field { name, alias: "", kind, required: true }
}

const fn also(name: &'static str, alias: &'static str, kind: Type) -> Field {
    Field { name, alias, kind, required: false }
}

use Type::{
    Any, Argv, Body, Bool, ContextFrom, Duration, Expr, Int, List, Map, Nodes, Number, Object,
    OneOrMany, Port, Struct, Tagged, Text, Word,
};

/// Most that a count can be.
const MANY: i64 = 1_000_000;

pub(super) static DEFINITION: &[Field] = &[
    needed("schema", Text),
    needed("name", Text),
    f("title", Text),
    f("description", Text),
    f("tags", List(&Text)),
    f("status", Word(&["draft", "active", "archived"])),
    f("owner", Text),
    f("inputs", Map(&Struct(INPUT))),
    f("vars", Object),
    f("start", OneOrMany(&Text)),
    f("limits", Struct(LIMITS)),
    f("advance", Word(&["auto", "manual"])),
    f("concurrency", Struct(CONCURRENCY)),
    f("defaults", Struct(DEFAULTS)),
    needed("nodes", Nodes),
    f("edges", List(&Struct(EDGE))),
    f("require", List(&Text)),
    f("outputs", Map(&Expr)),
    f("onRunFailure", Text),
    f("onRunStop", Text),
    f("ui", Object),
];

static INPUT: &[Field] = &[
    f("type", Word(&["string", "int", "float", "bool", "list", "object", "file"])),
    f("required", Bool),
    f("default", Any),
    f("enum", List(&Any)),
    f("pattern", Text),
    f("min", Number),
    f("max", Number),
    f("secret", Bool),
    f("description", Text),
];

static LIMITS: &[Field] = &[
    f("maxVisits", Int(1, MANY)),
    f("maxNodeVisits", Int(1, MANY)),
    f("maxSteps", Int(1, MANY)),
    f("deadline", Duration),
    f("maxOutputBytes", Int(1, 1 << 30)),
    f("maxParallel", Int(1, 10_000)),
];

static CONCURRENCY: &[Field] = &[
    f("policy", Word(&["forbid", "allow", "replace", "queue"])),
    f("key", Expr),
    f("max", Int(1, MANY)),
];

static DEFAULTS: &[Field] = &[
    f("timeout", Duration),
    f("retry", Struct(RETRY)),
    f("assign", Struct(ASSIGN)),
    f("onFailure", ON_FAILURE),
    f("checks", Struct(CHECKS)),
];

static EDGE: &[Field] = &[
    f("id", Text),
    needed("from", Text),
    needed("to", Text),
    f("port", Port),
    f("when", Expr),
    f("else", Bool),
    f("label", Text),
    f("priority", Int(-MANY, MANY)),
];

const ON_FAILURE: Type = Tagged(&["fail", "continue", "pause"], &["route:"]);
const ON_ERROR: Type = Tagged(&["fail", "false"], &["branch:"]);

/// Fields of every node.
pub(super) static NODE: &[Field] = &[
    f("type", Text),
    f("label", Text),
    f("description", Text),
    f("timeout", Duration),
    f("retry", Struct(RETRY)),
    f("onFailure", ON_FAILURE),
    f("required", Bool),
    f("when", Expr),
    f("skipPolicy", Word(&["follow", "stop"])),
    f("maxVisits", Int(1, MANY)),
    f("priority", Int(1, 4)),
    f("idempotent", Bool),
    f("tags", List(&Text)),
    f("position", Any),
    f("ui", Object),
];

static RETRY: &[Field] = &[
    f("max", Int(0, MANY)),
    f("delay", Duration),
    f("factor", Number),
    f("maxDelay", Duration),
    f("jitter", Number),
    f("for", OneOrMany(&Word(&["failure", "timeout", "lost", "check"]))),
];

static ASSIGN: &[Field] = &[
    f("agent", Text),
    f("role", Text),
    f("capability", OneOrMany(&Text)),
    f("pool", List(&Text)),
    f("lead", Bool),
    f("strategy", Word(&["least_loaded", "round_robin", "sticky", "hash"])),
    f("fallback", Word(&["lead", "wait", "fail"])),
];

static SPAWN: &[Field] =
    &[f("command", List(&Text)), f("backend", Word(&["tmux", "subprocess"])), f("worktree", Bool)];

static CONTEXT: &[Field] = &[f("from", ContextFrom), f("maxChars", Int(0, MANY))];

static CHECKS: &[Field] = &[
    f("requireResponse", Bool),
    f("minOutputLength", Int(0, MANY)),
    f("requireArtifacts", Bool),
    f("artifactGlobs", OneOrMany(&Text)),
    f("successPattern", Text),
    f("pattern", Text),
    f("check", Expr),
    f("verify", Struct(VERIFY)),
];

static VERIFY: &[Field] = &[
    Field { name: "cmd", alias: "run", kind: Argv, required: true },
    f("cwd", Text),
    f("timeout", Duration),
];

static TASK: &[Field] = &[
    f("assign", Struct(ASSIGN)),
    f("subject", Text),
    f("prompt", Text),
    f("linkTask", Text),
    f("spawn", Struct(SPAWN)),
    f("context", Struct(CONTEXT)),
    f("checks", Struct(CHECKS)),
    f("retryMode", Word(&["new", "reopen"])),
    f("lossPolicy", Word(&["wait", "fail", "reassign"])),
];

static CASE: &[Field] = &[needed("when", Expr), needed("branch", Port)];

static TOLERATE: &[Field] = &[f("failures", Int(0, MANY)), f("ratio", Number)];

static APPROVAL: &[Field] = &[
    f("title", Text),
    f("details", Text),
    f("approvers", OneOrMany(&Text)),
    f("quorum", Int(1, 1000)),
    f("confidence", Number),
    f("rubric", Map(&Int(-1000, 1000))),
    f("risky", Bool),
    f("external", Bool),
    f("onTimeout", Tagged(&["reject", "approve", "none"], &["escalate:"])),
    f("rework", OneOrMany(&Text)),
    f("maxRework", Int(0, MANY)),
    f("show", OneOrMany(&Text)),
    f("sign", Bool),
];

static DELAY: &[Field] = &[f("for", Duration), f("until", Text)];

static WAIT: &[Field] = &[
    f("signal", Text),
    also("event", "topic", Text),
    f("filter", Expr),
    f("from", Word(&["start", "now"])),
];

static COMMAND: &[Field] = &[
    Field { name: "run", alias: "cmd", kind: Argv, required: true },
    f("shell", Bool),
    f("cwd", Text),
    f("env", Map(&Text)),
    f("stdin", Text),
    f("worktree", Text),
    f("parse", Word(&["none", "json", "lines"])),
    f("okExit", OneOrMany(&Int(0, 255))),
];

static MEETING: &[Field] = &[
    f("meetingType", Word(&["standup", "kickoff", "review", "brainstorm", "decision", "retro"])),
    f("topic", Text),
    f("agenda", List(&Text)),
    needed("participants", List(&Text)),
    f("lead", Text),
    f("rounds", Int(1, 100)),
    f("turnTimeout", Duration),
    f("onMissing", Word(&["skip", "fail"])),
    f("minSpeakers", Int(0, 1000)),
];

/// The kinds of nodes with their own fields.
pub(super) static KINDS: &[(&str, &[Field])] = &[
    ("task", TASK),
    ("condition", &[needed("expr", Expr), f("onError", ON_ERROR)]),
    (
        "switch",
        &[
            f("expr", Expr),
            f("cases", List(&Struct(CASE))),
            f("default", Port),
            f("onError", ON_ERROR),
        ],
    ),
    ("parallel", &[f("branches", List(&Port))]),
    (
        "join",
        &[
            f("mode", Word(&["and", "or", "xor", "quorum"])),
            f("n", Int(1, 10_000)),
            f("prefer", Text),
            f("fallback", Word(&["first", "none"])),
            f("strict", Bool),
            f("cancelRemaining", Bool),
            f("merge", Word(&["list", "object", "last"])),
        ],
    ),
    ("approval", APPROVAL),
    ("delay", DELAY),
    ("wait", WAIT),
    (
        "loop",
        &[
            f("while", Expr),
            f("forEach", Expr),
            f("as", Text),
            f("body", Text),
            f("maxIterations", Int(1, MANY)),
            f("collect", Expr),
        ],
    ),
    (
        "map",
        &[
            needed("items", Expr),
            f("as", Text),
            needed("body", Body),
            f("inputs", Map(&Expr)),
            f("concurrency", Int(1, 1000)),
            f("tolerate", Struct(TOLERATE)),
        ],
    ),
    (
        "subworkflow",
        &[
            needed("workflow", Text),
            f("version", Int(1, MANY)),
            f("inputs", Map(&Expr)),
            f("wait", Bool),
            f("cancelWithParent", Bool),
        ],
    ),
    ("command", COMMAND),
    ("plugin", &[needed("name", Text), f("input", Map(&Expr)), f("config", Object)]),
    (
        "http",
        &[
            needed("url", Text),
            f("method", Text),
            f("headers", Map(&Text)),
            f("body", Any),
            f("okStatus", OneOrMany(&Int(100, 599))),
            f("auth", Text),
        ],
    ),
    (
        "notify",
        &[
            f("to", OneOrMany(&Text)),
            f("title", Text),
            also("body", "template", Text),
            f("severity", Word(&["info", "warning", "critical"])),
        ],
    ),
    ("set", &[needed("vars", Map(&Expr))]),
    (
        "merge",
        &[
            Field { name: "agent", alias: "branch", kind: OneOrMany(&Text), required: true },
            f("into", Text),
            f("strategy", Word(&["merge", "squash"])),
            f("onConflict", Word(&["fail", "pause", "task"])),
            f("cleanup", Bool),
        ],
    ),
    ("checkpoint", &[f("agents", OneOrMany(&Text)), f("message", Text)]),
    ("meeting", MEETING),
    ("end", &[f("status", Word(&["completed", "failed"])), f("reason", Text)]),
];

/// Other words for kinds.
pub(super) static KIND_ALIASES: &[(&str, &str)] = &[("webhook", "http"), ("skill", "plugin")];
