use std::path::PathBuf;

use serde_json::{Map, Value};

/// What was measured, written down at the end.
#[derive(Default)]
pub(crate) struct Figures {
    figures: Map<String, Value>,
}

impl Figures {
    pub(crate) fn note(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        eprintln!("{name}: {value}");
        self.figures.insert(name.to_owned(), value);
    }

    pub(crate) fn write(self) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/e2e/figures.json");
        let text = serde_json::to_string_pretty(&Value::Object(self.figures)).expect("plain data");
        std::fs::write(&file, text + "\n").expect("a file");
        eprintln!("{}", file.display());
    }
}
