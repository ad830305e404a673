//! Runs of workflows: the cost of a step, of many, and of waiting.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::Bench;
use crate::measure::{Result, Row, in_turn, median, run, time};
use crate::world::{TEAM, World};

/// A chain of nodes that do nothing.
fn chain(name: &str, nodes: usize) -> Value {
    let id = |n: usize| format!("n{n}");
    let all: Map<String, Value> = (0..nodes)
        .map(|n| (id(n), json!({"type": "set", "vars": {"at": n.to_string()}})))
        .collect();
    let edges: Vec<Value> = (1..nodes).map(|n| json!({"from": id(n - 1), "to": id(n)})).collect();
    let limits = json!({"maxVisits": 100_000, "maxSteps": 100_000});
    definition(name, Value::Object(all), edges, limits)
}

/// Two nodes that lead to each other for a long time.
fn circle(name: &str) -> Value {
    let nodes = json!({
        "a": {"type": "set", "vars": {"n": "1"}},
        "b": {"type": "condition", "expr": "run.visits < 90000"},
        "z": {"type": "end"},
    });
    let edges = vec![
        json!({"from": "a", "to": "b"}),
        json!({"from": "b", "to": "a", "port": "yes"}),
        json!({"from": "b", "to": "z", "port": "no"}),
    ];
    let limits = json!({"maxVisits": 100_000, "maxNodeVisits": 100_000, "maxSteps": 100_000});
    let mut made = definition(name, nodes, edges, limits);
    made["start"] = json!(["a"]);
    made
}

fn definition(name: &str, nodes: Value, edges: Vec<Value>, limits: Value) -> Value {
    json!({
        "schema": "clawteam.workflow/1",
        "name": name,
        "concurrency": {"policy": "allow"},
        "limits": limits,
        "nodes": nodes,
        "edges": edges,
    })
}

fn create(world: &World, bench: &Bench, definition: &Value) -> Result<PathBuf> {
    let name = definition["name"].as_str().unwrap_or_default();
    let path = bench.dir.join(format!("{name}.json"));
    fs::write(&path, definition.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
    let file = path.display().to_string();
    run(&mut world.command(&["workflow", "create", TEAM, "--file", &file]))?;
    Ok(path)
}

/// Starts a run and returns its id.
fn start(world: &World, name: &str) -> Result<String> {
    let output = run(&mut world.command(&["--json", "workflow", "run", TEAM, name]))?;
    let answer: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    Ok(answer["run"].as_str().unwrap_or_default().to_owned())
}

fn step(world: &World, run: &str) -> Command {
    world.command(&["workflow", "step", TEAM, run])
}

pub(crate) fn workflow(bench: &mut Bench) -> Result<()> {
    steps(bench)?;
    long_journals(bench)?;
    driving(bench)?;
    waiting(bench)?;
    validating(bench)
}

/// One step of a run of 100 nodes.
fn steps(bench: &mut Bench) -> Result<()> {
    let world = bench.world("steps")?;
    create(&world, bench, &chain("hundred", 100))?;
    let bare = bench.bare("bare steps")?;
    let mut runs: Vec<String> = Vec::new();
    let mut made = 0;
    let ours = || {
        // The middle of a run, where half of its nodes have results.
        if made % 40 == 0 {
            let id = start(&world, "hundred")?;
            run(&mut world.command(&["workflow", "step", TEAM, &id, "--max", "30"]))?;
            runs.push(id);
        }
        made += 1;
        time(&mut step(&world, &runs[runs.len() - 1]))
    };
    let two = || time(bare().arg("2"));
    let times = in_turn(bench.runs(200), ours, two)?;
    let what = "`workflow step`, 100 nodes / a bare durable write of two files";
    bench.rows.push(Row::at_most(what, times, 2.5));
    Ok(())
}

/// A step early in a journal and one late.
fn long_journals(bench: &mut Bench) -> Result<()> {
    let world = bench.world("journals")?;
    create(&world, bench, &circle("circle"))?;
    let (late, early) = (start(&world, "circle")?, start(&world, "circle")?);
    for (id, most) in [(&late, "10000"), (&early, "10")] {
        run(&mut world.command(&["workflow", "step", TEAM, id, "--max", most]))?;
    }
    let times = in_turn(
        bench.runs(100),
        || time(&mut step(&world, &late)),
        || time(&mut step(&world, &early)),
    )?;
    let what = "`workflow step` after 10,000 records / after 10";
    bench.rows.push(Row::at_most(what, times, 1.3));
    Ok(())
}

/// A chain of nodes that do nothing, gone through twice: 1,000 visits.
fn twice(name: &str) -> Value {
    let mut made = chain(name, 498);
    made["nodes"]["again"] = json!({"type": "condition", "expr": "run.visits < 990"});
    made["nodes"]["end"] = json!({"type": "end"});
    made["start"] = json!(["n0"]);
    if let Some(edges) = made["edges"].as_array_mut() {
        edges.push(json!({"from": "n497", "to": "again"}));
        edges.push(json!({"from": "again", "to": "n0", "port": "yes"}));
        edges.push(json!({"from": "again", "to": "end", "port": "no"}));
    }
    made
}

/// A run of 1,000 nodes, driven to its end.
fn driving(bench: &mut Bench) -> Result<()> {
    let world = bench.world("driving")?;
    create(&world, bench, &twice("thousand"))?;
    let bare = bench.bare("bare driving")?;
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs(7).min(7) {
        let id = start(&world, "thousand")?;
        ours.push(time(&mut world.command(&["--json", "workflow", "drive", TEAM, &id]))?);
        reference.push(time(&mut bare())?);
    }
    let rate = |time: Duration, count: f64| count / time.as_secs_f64();
    let (ours, reference) = (rate(median(ours), 1000.0), rate(median(reference), 1.0));
    bench.rows.push(Row {
        what: "`workflow drive`, 1,000 nodes that do nothing / bare durable writes".into(),
        ours: format!("{ours:.0} steps a second"),
        reference: format!("{reference:.0} a second"),
        ratio: format!("{:.2} ×", ours / reference),
        target: "none".into(),
        met: true,
    });
    Ok(())
}

/// A tick over 1,000 runs that wait.
fn waiting(bench: &mut Bench) -> Result<()> {
    let world = bench.world("waiting")?;
    let nodes = json!({"pause": {"type": "delay", "for": "30d"}});
    create(&world, bench, &definition("patient", nodes, Vec::new(), json!({})))?;
    for _ in 0..if bench.quick { 100 } else { 1000 } {
        let id = start(&world, "patient")?;
        run(&mut step(&world, &id))?;
    }
    let times = in_turn(
        bench.runs(100),
        || time(&mut world.command(&["tick"])),
        || time(&mut world.command(&["--version"])),
    )?;
    let what = "`tick`, 1,000 runs that wait / `--version`";
    bench.rows.push(Row::at_most(what, times, 10.0));
    Ok(())
}

/// The checks of a definition of 500 nodes.
fn validating(bench: &mut Bench) -> Result<()> {
    let world = bench.world("validating")?;
    let path = create(&world, bench, &chain("large", 500))?;
    let file = path.display().to_string();
    let times = in_turn(
        bench.runs(50),
        || time(&mut world.command(&["workflow", "validate", TEAM, "--file", &file])),
        || time(&mut world.command(&["--version"])),
    )?;
    let what = "`workflow validate`, 500 nodes / `--version`";
    bench.rows.push(Row { target: "none".into(), met: true, ..Row::at_most(what, times, 1.0) });
    Ok(())
}
