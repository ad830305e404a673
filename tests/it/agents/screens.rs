//! Reading screens that the real programs were seen to show.

use std::fs;
use std::path::Path;

use clawteam::domain::agent_cli::screen::{Reading, read};
use clawteam::domain::agent_cli::{Catalog, DialogKind};

#[test]
fn screens_of_the_real_programs_are_understood() {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/screens"));
    let mut looked_at = 0;
    let mut wrong = Vec::new();
    for program in crate::support::names(top) {
        let row = Catalog::built_in().named(&program).expect("it is known");
        for file in crate::support::names(&top.join(&program)) {
            let screen = fs::read_to_string(top.join(&program).join(&file)).expect("text");
            // The program's runtime wrote its complaints over it.
            if screen.contains("MaxListeners") {
                continue;
            }
            let reading = read(row, &screen);
            let kind = reading.dialog().map(|dialog| dialog.kind);
            let fits = match file.split(['-', '.']).next().unwrap_or_default() {
                "api" => kind == Some(DialogKind::ApiKey),
                "auth" | "hooks" => kind == Some(DialogKind::Other),
                "bypass" => kind == Some(DialogKind::Bypass),
                "trust" => kind == Some(DialogKind::Trust),
                "permission" => kind == Some(DialogKind::Permission),
                "draft" => matches!(reading, Reading::Draft { .. }),
                "idle" | "ready" => reading == Reading::Ready,
                "starting" => reading == Reading::Starting,
                "working" => matches!(reading, Reading::Working { .. }),
                other => panic!("{program}/{file}: what is '{other}'?"),
            };
            // Whoever answers must see what is asked.
            let told = reading.dialog().is_none_or(|dialog| match &*file {
                "permission-boxed.txt" => dialog.text.contains("touch asked.txt"),
                "permission-shell.txt" => dialog.text.contains("echo "),
                "permission-touch.txt" => dialog.text.contains("touch done-by"),
                "permission-edit.txt" => {
                    ["new", "1 a", "2 b"].map(|t| dialog.text.contains(t)) == [true; 3]
                }
                _ => true,
            });
            if !fits || !told {
                wrong.push(format!("{program}/{file}: {reading:?}"));
            }
            looked_at += 1;
        }
    }
    assert!(looked_at > 20, "{looked_at}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
