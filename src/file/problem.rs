//! What is wrong with a text, where, and what to do about it.

use std::fmt;

/// A line and a column of the text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// It can be used, and will probably not do what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where; none if it is about the text as a whole.
    pub place: Option<Place>,
}

/// Everything that is wrong, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// Problems with the lines they are about.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'a> {
    problems: &'a Problems,
    name: &'a str,
    text: Option<&'a str>,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Problem {
    pub(super) fn error(place: impl Into<Option<Place>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), hint: None, place: place.into() }
    }

    pub(super) fn warning(place: impl Into<Option<Place>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, message) }
    }

    pub(super) fn note(place: impl Into<Option<Place>>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(place, message) }
    }

    pub(super) fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl Problems {
    /// One problem, about a text as a whole.
    #[must_use]
    pub fn about_the_whole(severity: Severity, message: String) -> Self {
        Self(vec![Problem { severity, message, hint: None, place: None }])
    }

    pub(super) fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// By place; what is about the whole text comes last, since it is said about what was read.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|problem| (problem.place.is_none(), problem.place, problem.severity));
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For people: `name` is what the text is called, `text` the text itself, whose lines are quoted.
    /// Without it nothing is quoted, as it must be where the text is secret.
    #[must_use]
    pub fn render<'a>(&'a self, name: &'a str, text: Option<&'a str>) -> Rendered<'a> {
        Rendered { problems: self, name, text }
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// One line a problem, for logs.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| self.one(f, problem))
    }
}

impl Rendered<'_> {
    fn one(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let (severity, message) = (problem.severity.as_str(), &problem.message);
        let Some(Place { line, column }) = problem.place else {
            writeln!(f, "{}: {severity}: {message}", self.name)?;
            return problem.hint.iter().try_for_each(|hint| writeln!(f, "     = {hint}"));
        };
        writeln!(f, "{}:{line}:{column}: {severity}: {message}", self.name)?;
        match self.text.and_then(|text| text.lines().nth(line as usize - 1)) {
            Some(source) => {
                let (source, column) = window(source, column as usize);
                writeln!(f, "{line:>4} | {source}")?;
                write!(f, "     | {:>column$}", "^")?;
                problem.hint.iter().try_for_each(|hint| write!(f, " {hint}"))?;
                writeln!(f)
            }
            None => problem.hint.iter().try_for_each(|hint| writeln!(f, "     = {hint}")),
        }
    }
}

/// As much of a line as fits, and where its column is then. Control characters would move the caret,
/// or the terminal.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 120;
    let skip = if column > WIDTH - 20 { column - WIDTH / 2 } else { 0 };
    let shown = line.chars().skip(skip).take(WIDTH).map(|c| if c.is_control() { ' ' } else { c });
    (shown.collect::<String>().trim_end().to_owned(), column - skip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> Problems {
        let mut problems = Problems::default();
        problems.push(Problem::note(None, "about the whole"));
        problems.push(Problem::error(Place { line: 2, column: 3 }, "wrong").hint("do this".to_owned()));
        problems.push(Problem::warning(Place { line: 9, column: 1 }, "beyond the end"));
        problems.sort();
        problems
    }

    #[test]
    fn problems_are_shown_with_their_lines() {
        assert_eq!(
            problems().render("f.yaml", Some("a\n\tbc\n")).to_string(),
            "f.yaml:2:3: error: wrong\n   2 |  bc\n     |   ^ do this\nf.yaml:9:1: warning: beyond the end\nf.yaml: note: about the whole\n"
        );
    }

    #[test]
    fn secret_texts_are_not_quoted() {
        let shown = problems().render("f.yaml", None).to_string();
        assert!(shown.starts_with("f.yaml:2:3: error: wrong\n     = do this\n"), "{shown}");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let (shown, column) = window(&line, 501);
        assert_eq!(shown.chars().count(), 120);
        assert_eq!(shown.chars().nth(column - 1), Some('X'));
    }
}
