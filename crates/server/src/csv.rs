//! Comma-separated values (RFC 4180), as spreadsheets read them.

use keyway_domain::actor::Actor;
use serde_json::Value;

/// The columns of an event.
pub const EVENT_COLUMNS: &str =
    "time,event,actor,confirmed_by,subject,address,client,request_id,before,after,id";

/// A cell that no spreadsheet takes for a formula (ASVS 1.2.10).
pub fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
    {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A line without its end.
pub fn line<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    cells.into_iter().map(cell).collect::<Vec<_>>().join(",")
}

/// An event, as its JSON says it, under [`EVENT_COLUMNS`].
pub fn event(event: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let actor = match serde_json::from_value::<Actor>(event["actor"].clone()) {
        Ok(actor) => crate::telling::who(&actor.into()),
        Err(_) => text(&event["actor"]),
    };
    let cells = [
        text(&event["at"]),
        text(&event["type"]),
        actor,
        text(&event["step_up"]),
        text(&event["subject"]),
        text(&event["address"]),
        text(&event["client"]),
        text(&event["request_id"]),
        text(&event["before"]),
        text(&event["after"]),
        text(&event["id"]),
    ];
    line(cells.iter().map(String::as_str))
}
