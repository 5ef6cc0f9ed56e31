//! The request that a gateway asks about, out of the headers of its family.

use std::net::IpAddr;

use http::{HeaderMap, request};
use ipnet::IpNet;
use keyway_domain::Environment;

use super::super::problem::Problem;
use super::super::serve::named_by_proxies;
use crate::codes::Code;
use crate::verify::{Headers as _, One};

/// Who asks, by what its headers are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// `X-Original-Method`, `-URI` and `-Address`, set by the gateway's configuration: nginx, HAProxy.
    Nginx,
    /// `X-Forwarded-Method`, `-Uri` and `-For`, set by the gateway itself: Caddy, Traefik, APISIX.
    Forward,
    /// The request itself, under a prefix of its path, and `X-Original-Address`: Envoy over HTTP.
    Envoy(Option<Environment>),
}

/// What the gateway's configuration asks for, in the query of its question.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    /// The environment that the endpoint serves.
    environment: Option<Environment>,
    /// Refusals are 401 or 403 only.
    pub(super) is_plain: bool,
}

/// The request that is asked about.
#[derive(Debug)]
pub(super) struct Original<'r> {
    /// Its method.
    pub(super) method: &'r str,
    /// Its path and query, as they came.
    pub(super) target: &'r str,
    /// Where it comes from.
    pub(super) address: Option<IpAddr>,
    /// The environment that the endpoint serves.
    pub(super) environment: Option<Environment>,
    /// Its body, where the gateway passes it on.
    pub(super) body: &'r [u8],
}

const ENVOY: &str = "/authz/envoy";

impl Family {
    /// The family whose endpoint a path is.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/authz/nginx" => Some(Self::Nginx),
            "/authz/forward" => Some(Self::Forward),
            _ => {
                let (environment, rest) = envoy(path)?;
                rest.starts_with('/').then_some(Self::Envoy(environment))
            }
        }
    }

    /// Reads the query of the question. Envoy's is its client's, so nothing is read from it.
    pub(super) fn settings(self, query: Option<&str>) -> Result<Settings, Problem> {
        if let Self::Envoy(environment) = self {
            return Ok(Settings { environment, is_plain: false });
        }
        let mut settings = Settings::default();
        for word in query.unwrap_or_default().split('&').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("environment", name)) => {
                    let environment = Environment::parse(name)
                        .ok_or_else(|| misconfigured("environment is `test` or `live`"))?;
                    settings.environment = Some(environment);
                }
                Some(("statuses", "plain")) => settings.is_plain = true,
                _ => {
                    let known = "the query takes `environment=test|live` and `statuses=plain`";
                    return Err(misconfigured(known));
                }
            }
        }
        Ok(settings)
    }
}

/// The environment of Envoy's prefix, and the path behind it: the client's own.
fn envoy(path: &str) -> Option<(Option<Environment>, &str)> {
    let rest = path.strip_prefix(ENVOY)?;
    let word = |rest: &'_ str| rest.find('/').unwrap_or(rest.len());
    match rest.strip_prefix('-') {
        None => Some((None, rest)),
        Some(named) => {
            let (name, rest) = named.split_at(word(named));
            Some((Some(Environment::parse(name)?), rest))
        }
    }
}

impl<'r> Original<'r> {
    /// Reads it. The error is the gateway's configuration's, not its client's.
    pub(super) fn read(
        family: Family,
        parts: &'r request::Parts,
        settings: Settings,
        trusted: &[IpNet],
        body: &'r [u8],
    ) -> Result<Self, Problem> {
        let headers = &parts.headers;
        let (method, target, address) = match family {
            Family::Nginx => {
                let target = one(headers, "x-original-uri")?;
                (one(headers, "x-original-method")?, target, Some(named_address(headers)?))
            }
            Family::Forward => {
                let target = one(headers, "x-forwarded-uri")?;
                let address = named_by_proxies(trusted, headers);
                (one(headers, "x-forwarded-method")?, target, address)
            }
            Family::Envoy(_) => {
                let whole = parts.uri.path_and_query().map_or("", |target| target.as_str());
                let (_, target) =
                    envoy(whole).ok_or_else(|| misconfigured("the path has another prefix"))?;
                (parts.method.as_str(), target, Some(named_address(headers)?))
            }
        };
        Ok(Self { method, target, address, environment: settings.environment, body })
    }
}

/// The client's address, where the gateway's configuration sets it.
fn named_address(headers: &HeaderMap) -> Result<IpAddr, Problem> {
    let address = one(headers, "x-original-address")?;
    address.parse().map_err(|_| misconfigured("X-Original-Address is not an address"))
}

/// A header that the gateway sets, which must be there once.
fn one<'r>(headers: &'r HeaderMap, name: &'static str) -> Result<&'r str, Problem> {
    let value = match headers.one(name) {
        One::Missing => return Err(misconfigured(format!("the gateway does not set {name}"))),
        One::Many => return Err(misconfigured(format!("{name} is there more than once"))),
        One::Value(value) => std::str::from_utf8(value).unwrap_or_default(),
    };
    if value.is_empty() { Err(misconfigured(format!("{name} is empty"))) } else { Ok(value) }
}

fn misconfigured(detail: impl Into<String>) -> Problem {
    Problem::new(Code::GatewayMisconfigured, detail)
}
