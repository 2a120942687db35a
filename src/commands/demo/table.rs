//! The demo's result for a person.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::verdict::{Layer, Outcome, Summary, Verdict};
use crate::commands::out::{GREEN, PLAIN, RED};

/// One line per attempt under a heading, and a last line that sums up.
pub fn text(verdicts: &[Verdict], summary: Summary, colours: bool) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.add_row(["ATTEMPT", "BARE", "BOXED", "STOPPED BY"]);
    table.add_rows(verdicts.iter().map(row));
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    if colours {
        // Colours are put around whole lines of the finished table, whose widths they then cannot disturb.
        for (line, verdict) in lines.iter_mut().skip(1).zip(verdicts) {
            let colour = if verdict.stopped() && !verdict.unproven {
                GREEN
            } else {
                RED
            };
            *line = format!("{colour}{line}{PLAIN}");
        }
    }
    format!("{}\n\n{}\n", lines.join("\n"), last_line(verdicts, summary))
}

fn row(verdict: &Verdict) -> [String; 4] {
    let bare = match &verdict.bare {
        Outcome::Succeeded(evidence) => evidence.clone(),
        Outcome::Stopped(why) if verdict.unproven => format!("FAILED: {why}"),
        Outcome::Stopped(why) | Outcome::Missing(why) => format!("n/a here: {why}"),
    };
    let boxed = match &verdict.boxed {
        Outcome::Succeeded(evidence) => format!("NOT STOPPED: {evidence}"),
        Outcome::Stopped(why) | Outcome::Missing(why) => why.clone(),
    };
    let layer = verdict.layer.map_or("nothing", Layer::name);
    [verdict.title.into(), bare, boxed, layer.into()]
}

fn last_line(verdicts: &[Verdict], summary: Summary) -> String {
    let Summary {
        attempts,
        stopped,
        succeed_bare,
        ..
    } = summary;
    let mut line =
        format!("{attempts} attempts: {stopped} stopped in the box, {succeed_bare} succeed without it");
    let unproven = verdicts.iter().filter(|verdict| verdict.unproven).count();
    if stopped < attempts {
        line += &format!("; {} NOT STOPPED", attempts - stopped);
    }
    if unproven > 0 {
        line += &format!("; {unproven} failed without the box as well, and so prove nothing");
    }
    line
}
