//! A definition as a drawing of boxes and lines, layers from top to bottom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::model::{Definition, SUCCESS};
use crate::core::text::{cut, printable};

/// Characters of a node's text.
const LABEL_MAX: usize = 28;
/// Columns between two boxes.
const GAP: usize = 2;

/// What a drawing says besides the definition: a word for a node, like its state in a run.
pub type Overlay<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A node of the drawing: one of the definition, or a place where a line passes a layer.
struct Spot {
    /// The lines of text in its box; none for a line that passes.
    text: Vec<String>,
    width: usize,
    layer: usize,
    /// The column of its middle.
    x: usize,
}

/// A line from one layer to the next.
struct Line {
    from: usize,
    to: usize,
    label: String,
}

/// Draws `definition`; lines lead downwards, those that lead back up are listed below.
pub fn draw(definition: &Definition, overlay: &Overlay<'_>) -> String {
    let ids: Vec<&str> = definition.nodes.keys().map(String::as_str).collect();
    let arrows = arrows(definition);
    let (forward, back): (Vec<_>, Vec<_>) = {
        let starts = super::check::starts(definition);
        let starts: Vec<usize> =
            starts.iter().filter_map(|id| definition.nodes.get_index_of(*id)).collect();
        let upward = upward(ids.len(), &starts, &arrows);
        let numbered = arrows.into_iter().enumerate();
        let (back, forward): (Vec<_>, Vec<_>) = numbered.partition(|(n, _)| upward.contains(n));
        let plain = |list: Vec<(usize, Arrow)>| list.into_iter().map(|(_, a)| a).collect();
        (plain(forward), plain(back))
    };
    let layers = layers(ids.len(), &forward);
    let mut spots: Vec<Spot> = Vec::new();
    for ((id, node), layer) in definition.nodes.iter().zip(&layers) {
        let mut text = vec![shown(id), shown(node.kind.word())];
        text.extend(overlay(id).map(|word| shown(&word)));
        let width = text.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 4;
        spots.push(Spot { text, width, layer: *layer, x: 0 });
    }
    let lines = lines(&forward, &mut spots);
    let order = order(&spots, &lines);
    place(&mut spots, &order, &lines);
    let mut drawing = paint(&spots, &order, &lines);
    let mut notes: Vec<String> = Vec::new();
    for arrow in &back {
        let port =
            if arrow.label.is_empty() { String::new() } else { format!(" ({})", arrow.label) };
        notes.push(format!("  ↺ {} → {}{port}", ids[arrow.from], ids[arrow.to]));
    }
    if !notes.is_empty() {
        drawing.push_str("\nBack:\n");
        drawing.push_str(&notes.join("\n"));
    }
    drawing
}

fn shown(text: &str) -> String {
    let text = printable(text, false);
    let start = cut(&text, LABEL_MAX);
    if start.len() < text.len() { format!("{start}…") } else { text }
}

/// A way from a node to another, with the word on it.
#[derive(Clone)]
struct Arrow {
    from: usize,
    to: usize,
    label: String,
}

fn arrows(definition: &Definition) -> Vec<Arrow> {
    use super::node::{Kind, OnFailure};
    let mut found: Vec<Arrow> = Vec::new();
    let place = |id: &str| definition.nodes.get_index_of(id);
    let mut add = |from: &str, to: &str, label: String| {
        let (Some(from), Some(to)) = (place(from), place(to)) else { return };
        match found.iter_mut().find(|arrow| arrow.from == from && arrow.to == to) {
            Some(same) if same.label.is_empty() || label.is_empty() => {
                same.label.push_str(&label);
            }
            Some(same) => same.label = format!("{}, {label}", same.label),
            None => found.push(Arrow { from, to, label }),
        }
    };
    for edge in &definition.edges {
        let word = match (edge.label.as_str(), edge.port()) {
            ("", SUCCESS) => String::new(),
            ("", port) => port.to_owned(),
            (label, _) => label.to_owned(),
        };
        let guard = if edge.when.is_some() { "?" } else { "" };
        let word = if edge.otherwise { format!("{word} else") } else { format!("{word}{guard}") };
        add(&edge.from, &edge.to, shown(word.trim()));
    }
    for (id, node) in &definition.nodes {
        match &node.kind {
            Kind::Approval(own) => own.rework.iter().for_each(|to| add(id, to, "rework".into())),
            Kind::Loop(own) => own.body.iter().for_each(|to| add(id, to, "body".into())),
            _ => {}
        }
        if let Some(OnFailure::Route(to)) = &node.on_failure {
            add(id, to, "failure".into());
        }
    }
    found
}

/// The arrows that lead back: to a node that is no farther from the beginning, and from which a
/// way leads here again.
fn upward(nodes: usize, starts: &[usize], arrows: &[Arrow]) -> BTreeSet<usize> {
    let mut out: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for arrow in arrows {
        out[arrow.from].push(arrow.to);
    }
    let walk = |roots: &[usize]| {
        let mut far: Vec<Option<usize>> = vec![None; nodes];
        let mut pending: VecDeque<(usize, usize)> = roots.iter().map(|root| (*root, 0)).collect();
        while let Some((node, steps)) = pending.pop_front() {
            if far[node].is_none() {
                far[node] = Some(steps);
                pending.extend(out[node].iter().map(|to| (*to, steps + 1)));
            }
        }
        far
    };
    let far = walk(starts);
    let is_back =
        |arrow: &Arrow| far[arrow.to] <= far[arrow.from] && walk(&[arrow.to])[arrow.from].is_some();
    (0..arrows.len()).filter(|n| is_back(&arrows[*n])).collect()
}

/// Each node below all that lead to it.
fn layers(nodes: usize, forward: &[Arrow]) -> Vec<usize> {
    let mut layer = vec![0; nodes];
    // There are no cycles left, so that this ends after as many rounds as there are layers.
    for _ in 0..=nodes {
        let mut changed = false;
        for arrow in forward {
            if layer[arrow.to] <= layer[arrow.from] {
                layer[arrow.to] = layer[arrow.from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layer
}

/// Arrows as lines from layer to layer.
fn lines(forward: &[Arrow], spots: &mut Vec<Spot>) -> Vec<Line> {
    let mut lines = Vec::new();
    for arrow in forward {
        let mut from = arrow.from;
        let mut label = arrow.label.clone();
        for layer in spots[arrow.from].layer + 1..spots[arrow.to].layer {
            spots.push(Spot { text: Vec::new(), width: 1, layer, x: 0 });
            let to = spots.len() - 1;
            lines.push(Line { from, to, label: std::mem::take(&mut label) });
            from = to;
        }
        lines.push(Line { from, to: arrow.to, label });
    }
    lines
}

/// The spots of each layer from left to right, so that few lines cross.
fn order(spots: &[Spot], lines: &[Line]) -> Vec<Vec<usize>> {
    let count = spots.iter().map(|spot| spot.layer + 1).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (n, spot) in spots.iter().enumerate() {
        order[spot.layer].push(n);
    }
    let mut place = vec![0.0_f64; spots.len()];
    let note = |row: &[usize], place: &mut Vec<f64>| {
        for (n, spot) in row.iter().enumerate() {
            place[*spot] = n as f64;
        }
    };
    for row in &order {
        note(row, &mut place);
    }
    for round in 0..6 {
        let down = round % 2 == 0;
        let rows: Vec<usize> = if down { (1..count).collect() } else { (0..count).rev().collect() };
        for row in rows {
            let middle = |spot: usize| {
                let near: Vec<f64> = lines
                    .iter()
                    .filter_map(|line| match (down, line.from == spot, line.to == spot) {
                        (true, _, true) => Some(place[line.from]),
                        (false, true, _) => Some(place[line.to]),
                        _ => None,
                    })
                    .collect();
                if near.is_empty() {
                    place[spot]
                } else {
                    near.iter().sum::<f64>() / near.len() as f64
                }
            };
            let mut sorted: Vec<(f64, usize)> =
                order[row].iter().map(|spot| (middle(*spot), *spot)).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            order[row] = sorted.into_iter().map(|(_, spot)| spot).collect();
            note(&order[row], &mut place);
        }
    }
    order
}

/// Columns: each spot near the middle of those above it, none over another.
fn place(spots: &mut [Spot], order: &[Vec<usize>], lines: &[Line]) {
    for round in 0..4 {
        for row in order {
            let mut free = 0;
            for &spot in row {
                let near: Vec<usize> = lines
                    .iter()
                    .filter(|line| if round % 2 == 0 { line.to == spot } else { line.from == spot })
                    .map(|line| {
                        let other = if round % 2 == 0 { line.from } else { line.to };
                        spots[other].x
                    })
                    .collect();
                let half = spots[spot].width / 2;
                let wanted = if near.is_empty() {
                    spots[spot].x
                } else {
                    near.iter().sum::<usize>() / near.len()
                };
                let left = wanted.saturating_sub(half).max(free);
                spots[spot].x = left + half;
                free = left + spots[spot].width + GAP;
            }
        }
    }
    let least = spots.iter().map(|spot| spot.x - spot.width / 2).min().unwrap_or(0);
    for spot in spots {
        spot.x -= least;
    }
}

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// A sheet of characters; lines that meet become one.
#[derive(Default)]
struct Sheet {
    lines: BTreeMap<(usize, usize), u8>,
    text: BTreeMap<(usize, usize), char>,
}

impl Sheet {
    fn mark(&mut self, row: usize, column: usize, ways: u8) {
        *self.lines.entry((row, column)).or_insert(0) |= ways;
    }

    fn write(&mut self, row: usize, column: usize, text: &str) {
        for (n, c) in text.chars().enumerate() {
            self.text.insert((row, column + n), c);
        }
    }

    /// Writes where nothing is yet.
    fn write_beside(&mut self, row: usize, column: usize, text: &str) {
        let taken = |n: usize| {
            let place = (row, column + n);
            self.lines.contains_key(&place) || self.text.contains_key(&place)
        };
        if (0..=text.chars().count()).all(|n| !taken(n)) {
            self.write(row, column, text);
        }
    }

    fn across(&mut self, row: usize, from: usize, to: usize) {
        let (from, to) = (from.min(to), from.max(to));
        for column in from..=to {
            let left = if column > from { LEFT } else { 0 };
            let right = if column < to { RIGHT } else { 0 };
            self.mark(row, column, left | right);
        }
    }

    fn render(&self) -> String {
        let rows = self.lines.keys().chain(self.text.keys()).map(|at| at.0 + 1).max().unwrap_or(0);
        let mut drawn = String::new();
        for row in 0..rows {
            let columns = |map: Option<usize>| map.map_or(0, |column| column + 1);
            let last =
                columns(self.lines.range((row, 0)..(row + 1, 0)).next_back().map(|(at, _)| at.1))
                    .max(columns(
                        self.text.range((row, 0)..(row + 1, 0)).next_back().map(|(at, _)| at.1),
                    ));
            for column in 0..last {
                let at = (row, column);
                let line = self.lines.get(&at).map(|ways| stroke(*ways));
                drawn.push(self.text.get(&at).copied().or(line).unwrap_or(' '));
            }
            drawn.push('\n');
        }
        drawn
    }
}

fn stroke(ways: u8) -> char {
    const STROKES: [char; 16] =
        [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
    STROKES[usize::from(ways & 15)]
}

fn paint(spots: &[Spot], order: &[Vec<usize>], lines: &[Line]) -> String {
    let mut sheet = Sheet::default();
    let mut top = 0;
    for (layer, row) in order.iter().enumerate() {
        let height = row.iter().map(|spot| spots[*spot].text.len() + 2).max().unwrap_or(0);
        for &spot in row {
            frame(&mut sheet, &spots[spot], top, height);
        }
        let below: Vec<&Line> =
            lines.iter().filter(|line| spots[line.from].layer == layer).collect();
        let bottom = top + height;
        for &spot in row {
            let led = spots[spot].text.len() + 2;
            let leaves = below.iter().any(|line| line.from == spot);
            if !spots[spot].text.is_empty() && leaves {
                for y in top + led..bottom {
                    sheet.mark(y, spots[spot].x, UP | DOWN);
                }
            }
        }
        let chosen = lanes(spots, &below);
        let depth = chosen.iter().map(|lane| lane + 1).max().unwrap_or(0);
        for (line, lane) in below.iter().zip(&chosen) {
            connect(&mut sheet, spots, line, (bottom, bottom + 1 + lane, bottom + depth + 1));
        }
        for line in &below {
            // Beside the head of the arrow.
            sheet.write_beside(bottom + depth + 1, spots[line.to].x + 2, &line.label);
        }
        top = bottom + if below.is_empty() { 0 } else { depth + 2 };
    }
    sheet.render()
}

/// A box with its text; a line that passes goes straight down.
fn frame(sheet: &mut Sheet, spot: &Spot, top: usize, height: usize) {
    if spot.text.is_empty() {
        for y in top..top + height {
            sheet.mark(y, spot.x, UP | DOWN);
        }
        return;
    }
    let left = spot.x - spot.width / 2;
    let right = left + spot.width - 1;
    let bottom = top + spot.text.len() + 1;
    for (row, from, to) in [(top, '┌', '┐'), (bottom, '└', '┘')] {
        let middle = "─".repeat(spot.width - 2);
        sheet.write(row, left, &format!("{from}{middle}{to}"));
    }
    for (n, text) in spot.text.iter().enumerate() {
        let row = top + 1 + n;
        sheet.write(row, left, "│");
        sheet.write(row, left + 2, text);
        sheet.write(row, right, "│");
    }
}

/// In which row each line goes sideways, so that none runs along another that it has no end with.
fn lanes(spots: &[Spot], below: &[&Line]) -> Vec<usize> {
    let mut taken: Vec<Vec<(usize, usize, usize, usize)>> = Vec::new();
    let mut chosen = Vec::new();
    for line in below {
        let (from, to) = (spots[line.from].x, spots[line.to].x);
        let (least, most) = (from.min(to), from.max(to));
        let free = |lane: &Vec<(usize, usize, usize, usize)>| {
            lane.iter().all(|(a, b, source, target)| {
                most < *a || least > *b || *source == line.from || *target == line.to
            })
        };
        let lane = taken.iter().position(free).unwrap_or(taken.len());
        if lane == taken.len() {
            taken.push(Vec::new());
        }
        taken[lane].push((least, most, line.from, line.to));
        chosen.push(lane);
    }
    chosen
}

/// Draws a line: down from `rows.0`, sideways in `rows.1`, and down to `rows.2`.
fn connect(sheet: &mut Sheet, spots: &[Spot], line: &Line, rows: (usize, usize, usize)) {
    let (from, to) = (spots[line.from].x, spots[line.to].x);
    let (begin, turn, end) = rows;
    for y in begin..turn {
        sheet.mark(y, from, UP | DOWN);
    }
    if from == to {
        sheet.mark(turn, from, UP | DOWN);
    } else {
        sheet.mark(turn, from, UP);
        sheet.across(turn, from, to);
        sheet.mark(turn, to, DOWN);
    }
    for y in turn + 1..=end {
        sheet.mark(y, to, UP | DOWN);
    }
    if !spots[line.to].text.is_empty() {
        sheet.write(end, to, "▼");
    }
}
