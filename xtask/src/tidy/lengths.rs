//! Functions and files stay short enough to read at once; an exception needs a reason.

use proc_macro2::Span;
use syn::visit::{self, Visit};

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "functions and files stay short";

const FUNCTION_LINES_MAX: usize = 80;
const FILE_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 800;

/// What may be longer, and why cutting it would make it harder to read.
struct Exception {
    path: &'static str,
    /// The function's name, or nothing for the whole file.
    function: Option<&'static str>,
    lines_max: usize,
    why: &'static str,
}

const EXCEPTIONS: &[Exception] = &[];

/// A file or a function, and how long it is.
struct Measured<'a> {
    source: &'a Source,
    function: Option<String>,
    line: usize,
    lines: usize,
    lines_max: usize,
}

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let too_long: Vec<Measured<'_>> =
        tree.rust().flat_map(measure).filter(|found| found.lines > found.lines_max).collect();
    let stale = EXCEPTIONS.iter().filter_map(|exception| {
        let source = tree.source(exception.path)?;
        let used = too_long.iter().any(|found| exception.covers(found));
        let what = format!("an exception in xtask is not needed ({})", exception.why);
        (!used).then(|| Problem::at(source, 1, what, "remove it from EXCEPTIONS in lengths.rs"))
    });
    too_long
        .iter()
        .filter(|found| !EXCEPTIONS.iter().any(|exception| exception.covers(found)))
        .map(Measured::problem)
        .chain(stale)
        .collect()
}

impl Exception {
    fn covers(&self, found: &Measured<'_>) -> bool {
        found.source.path == self.path
            && found.function.as_deref() == self.function
            && found.lines <= self.lines_max
    }
}

impl Measured<'_> {
    fn problem(&self) -> Problem {
        let subject = match &self.function {
            Some(name) => format!("fn {name}"),
            None => "the file".to_owned(),
        };
        let what = format!("{subject} has {} lines", self.lines);
        let right = format!(
            "at most {}: split it by idea, or write an exception with its reason in lengths.rs",
            self.lines_max
        );
        Problem::at(self.source, self.line, what, right)
    }
}

fn measure(source: &Source) -> Vec<Measured<'_>> {
    let lines_max = if source.is_test() { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
    let lines = source.text.lines().count();
    let mut found = vec![Measured { source, function: None, line: 1, lines, lines_max }];
    if let Some(syntax) = source.syntax() {
        Functions { source, found: &mut found }.visit_file(syntax);
    }
    found
}

struct Functions<'a, 'f> {
    source: &'a Source,
    found: &'f mut Vec<Measured<'a>>,
}

impl Functions<'_, '_> {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = first_line(signature.fn_token.span);
        let lines = first_line(block.brace_token.span.close()) + 1 - line;
        let function = Some(signature.ident.to_string());
        let lines_max = FUNCTION_LINES_MAX;
        self.found.push(Measured { source: self.source, function, line, lines, lines_max });
    }
}

impl<'ast> Visit<'ast> for Functions<'_, '_> {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.add(&node.sig, &node.block);
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.add(&node.sig, &node.block);
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(block) = &node.default {
            self.add(&node.sig, block);
        }
        visit::visit_trait_item_fn(self, node);
    }
}

fn first_line(span: Span) -> usize {
    span.start().line
}
