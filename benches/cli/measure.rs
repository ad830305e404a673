//! Timing whole processes in turn, and the table of what came out.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What went wrong, in full: it ends the run.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Runs a command to its end. A failure is told with all that it printed.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!(
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// How long a command takes, from before its start until its end was seen, and what it printed.
pub(crate) fn timed(command: &mut Command) -> Result<(Duration, Output)> {
    let start = Instant::now();
    let output = run(command)?;
    Ok((start.elapsed(), output))
}

pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    Ok(timed(command)?.0)
}

pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[values.len() / 2]
}

/// The medians of two measurements that were taken in turn, so that whatever else the machine does
/// meanwhile meets both alike. Each is taken once before, uncounted. Which goes first changes.
pub(crate) fn in_turn(
    runs: usize,
    mut ours: impl FnMut() -> Result<Duration>,
    mut reference: impl FnMut() -> Result<Duration>,
) -> Result<(Duration, Duration)> {
    ours()?;
    reference()?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for turn in 0..runs {
        if turn % 2 == 0 {
            a.push(ours()?);
            b.push(reference()?);
        } else {
            b.push(reference()?);
            a.push(ours()?);
        }
    }
    Ok((median(a), median(b)))
}

/// One line of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) reference: String,
    pub(crate) ratio: String,
    pub(crate) target: String,
    pub(crate) met: bool,
}

impl Row {
    /// Ours may take `most` times as long as the reference.
    pub(crate) fn at_most(what: &str, (ours, reference): (Duration, Duration), most: f64) -> Self {
        let ratio = ours.as_secs_f64() / reference.as_secs_f64();
        Self::new(what, ours, reference, ratio, format!("at most {most} ×"), ratio <= most)
    }

    /// The reference takes `least` times as long as ours, or more.
    pub(crate) fn faster(what: &str, (ours, reference): (Duration, Duration), least: f64) -> Self {
        let ratio = reference.as_secs_f64() / ours.as_secs_f64();
        let target = format!("at least {least} × faster");
        Self::new(what, ours, reference, ratio, target, ratio >= least)
    }

    fn new(
        what: &str,
        ours: Duration,
        reference: Duration,
        ratio: f64,
        target: String,
        met: bool,
    ) -> Self {
        let (ours, reference) = (milliseconds(ours), milliseconds(reference));
        Self { what: what.into(), ours, reference, ratio: format!("{ratio:.2} ×"), target, met }
    }
}

pub(crate) fn milliseconds(time: Duration) -> String {
    let value = time.as_secs_f64() * 1e3;
    if value < 100.0 { format!("{value:.2} ms") } else { format!("{value:.0} ms") }
}

/// The rows as a Markdown table, which is readable in a terminal too.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["what", "ours", "reference", "ratio", "target", "met"].map(String::from);
    let lines: Vec<[String; 6]> = std::iter::once(head)
        .chain(rows.iter().map(|row| {
            let met = if row.met { "yes" } else { "no" };
            [&row.what, &row.ours, &row.reference, &row.ratio, &row.target, met].map(String::from)
        }))
        .collect();
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            text.extend(["| ", cell, &" ".repeat(width(column) - cell.chars().count()), " "]);
        }
        text += "|\n";
        if number == 0 {
            for column in 0..line.len() {
                text.extend(["|", &"-".repeat(width(column) + 2)]);
            }
            text += "|\n";
        }
    }
    text
}
