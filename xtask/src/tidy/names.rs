//! Names say what a thing is: the words that fit anything are not names.

use std::path::Path;

use proc_macro2::Ident;
use syn::visit::{self, Visit};

use super::Problem;
use crate::tree::{Source, Tree};

pub(super) const HOLDS: &str = "no name that would fit anything";

const TYPE_WORDS: [&str; 4] = ["Manager", "Helper", "Util", "Utils"];
const MODULES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
const RIGHT_NOUN: &str = "name it after the idea that lives in it";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in tree.rust() {
        let stem = Path::new(&source.path).file_stem().and_then(|stem| stem.to_str());
        if stem.is_some_and(|stem| MODULES.contains(&stem)) {
            problems.push(Problem::at(source, 1, "a file with a name for anything", RIGHT_NOUN));
        }
        if let Some(syntax) = source.syntax() {
            Names { source, problems: &mut problems }.visit_file(syntax);
        }
    }
    problems
}

struct Names<'a> {
    source: &'a Source,
    problems: &'a mut Vec<Problem>,
}

impl Names<'_> {
    fn add(&mut self, name: &Ident, right: &str) {
        let line = name.span().start().line;
        self.problems.push(Problem::at(self.source, line, format!("the name `{name}`"), right));
    }

    fn judge_type(&mut self, name: &Ident) {
        let text = name.to_string();
        if TYPE_WORDS.iter().any(|word| has_word(&text, word)) {
            self.add(name, RIGHT_NOUN);
        }
    }

    fn judge_function(&mut self, signature: &syn::Signature, attributes: &[syn::Attribute]) {
        let name = signature.ident.to_string();
        // The name of a test is a sentence, and may start with any verb.
        let is_test = attributes.iter().any(|attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
        });
        if is_test {
            return;
        }
        if name.starts_with("get_") {
            self.add(&signature.ident, "say what comes back, without `get_`");
        } else if name.starts_with("do_") {
            self.add(&signature.ident, "say what it does, without `do_`");
        } else if name.split('_').any(|word| matches!(word, "util" | "utils" | "helper")) {
            self.add(&signature.ident, "say what it does");
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_struct(&mut self, node: &'ast syn::ItemStruct) {
        self.judge_type(&node.ident);
        visit::visit_item_struct(self, node);
    }

    fn visit_item_enum(&mut self, node: &'ast syn::ItemEnum) {
        self.judge_type(&node.ident);
        visit::visit_item_enum(self, node);
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.judge_type(&node.ident);
        visit::visit_item_trait(self, node);
    }

    fn visit_item_type(&mut self, node: &'ast syn::ItemType) {
        self.judge_type(&node.ident);
        visit::visit_item_type(self, node);
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if MODULES.iter().any(|module| node.ident == module) {
            self.add(&node.ident, RIGHT_NOUN);
        }
        visit::visit_item_mod(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.judge_function(&node.sig, &node.attrs);
        visit::visit_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        self.judge_function(&node.sig, &node.attrs);
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        // The names in an implementation of a trait were chosen by the trait.
        if node.trait_.is_none() {
            for item in &node.items {
                if let syn::ImplItem::Fn(function) = item {
                    self.judge_function(&function.sig, &function.attrs);
                }
            }
        }
        visit::visit_item_impl(self, node);
    }
}

/// Whether `word` is one of the words of a name in camel case: `Util` is in `DateUtil`, not in `Utility`.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(start, _)| {
        !name[start + word.len()..].starts_with(|after: char| after.is_ascii_lowercase())
    })
}
