//! What an address list would refuse, as long as it only reports.

use keyway_domain::credential::AddressMode;
use keyway_domain::time::Time;
use keyway_store::usage::Report;
use maud::{Markup, html};

use super::key::Loaded;
use super::ui;

/// Addresses that are named.
const LISTED: usize = 20;

/// What was reported, on the credential's page.
pub(super) fn card(loaded: &Loaded, now: Time) -> Markup {
    if loaded.credential.address_mode != AddressMode::Report {
        return html! {};
    }
    html! {
        section.card aria-labelledby="rep" {
            header { h2 id="rep" { "From outside of its address list" } span.muted.small { "allowed, because the list only reports" } }
            @if loaded.reports.is_empty() {
                div.empty { p { "No request has come from outside since the list was changed. It would refuse nothing." } }
            } @else {
                table.flip role="table" aria-labelledby="rep" {
                    thead role="rowgroup" { tr role="row" {
                        @for head in ["Address", "Requests", "First seen", "Last seen"] {
                            th role="columnheader" scope="col" { (head) }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for report in loaded.reports.iter().take(LISTED) {
                            tr role="row" {
                                td role="cell" { (address(report)) }
                                td.num role="cell" data-l="Requests" { (ui::number(report.requests)) }
                                td role="cell" data-l="First seen" { (ui::day(report.first_at)) }
                                td role="cell" data-l="Last seen" { (ui::ago(report.last_at, now)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was reported, in few words.
pub(super) fn list(reports: &[Report], now: Time) -> Markup {
    html! {
        ul.uses.small {
            @for report in reports.iter().take(LISTED) {
                li { span { b { (address(report)) } " " span.muted { (ui::count(report.requests, "request", "requests")) } } span.muted { "last seen " (ui::ago_text(report.last_at, now)) } }
            }
        }
    }
}

fn address(report: &Report) -> Markup {
    html! {
        @if report.address.is_empty() { span.muted { "others, or not known" } } @else { code { (report.address) } }
    }
}
