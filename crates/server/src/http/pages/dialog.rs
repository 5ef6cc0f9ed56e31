//! A page with one form in a dialog.

use maud::{Markup, html};

use super::layout;
use super::problems::Problems;
use super::visit::Visit;

/// A page with one form in a dialog: modal with script, plain without.
pub(crate) struct Dialog<'d> {
    pub(crate) title: String,
    pub(crate) about: Markup,
    pub(crate) back: String,
    pub(crate) body: Markup,
    pub(crate) keep: &'d str,
    pub(crate) button: Markup,
    pub(crate) class: &'d str,
}

impl Dialog<'_> {
    /// The dialog, with its form's marks.
    pub(crate) fn show(&self, visit: &Visit, problems: &Problems) -> Markup {
        html! {
            dialog open aria-labelledby="dialog-title" data-modal {
                form action=(visit.call.uri.path()) method="post" {
                    (layout::marks(visit))
                    header {
                        div.stack.tight {
                            h1.lg id="dialog-title" { (self.title) }
                            span.muted { (self.about) }
                        }
                        a.btn.quiet.icon.sm href=(self.back) aria-label="Close" data-close { (super::icons::CLOSE) }
                    }
                    div.body { (problems.summary()) (self.body) }
                    footer {
                        a.btn href=(self.back) data-close { (self.keep) }
                        button class={ "btn " (self.class) } { (self.button) }
                    }
                }
            }
        }
    }
}
