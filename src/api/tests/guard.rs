//! Who gets in, what errors look like, and what the description promises.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::kit::Site;
use crate::api::{Role, document};

/// Every route of the API. A new one is added here, so that it is looked at once by this test.
const ROUTES: &[&str] = &[
    "GET /api/v1/alerts",
    "GET /api/v1/alerts/stream",
    "GET /api/v1/alerts/{id}",
    "GET /api/v1/alerts/{id}/clip.mp4",
    "GET /api/v1/alerts/{id}/snapshot.jpg",
    "GET /api/v1/backtests",
    "GET /api/v1/backtests/{id}",
    "GET /api/v1/backtests/{id}/pictures/{n}",
    "GET /api/v1/cameras",
    "GET /api/v1/cameras/{id}",
    "GET /api/v1/cameras/{id}/export.mp4",
    "GET /api/v1/cameras/{id}/live.m3u8",
    "GET /api/v1/cameras/{id}/live/media.m3u8",
    "GET /api/v1/cameras/{id}/playback.m3u8",
    "GET /api/v1/cameras/{id}/snapshot.jpg",
    "GET /api/v1/recordings",
    "GET /api/v1/segments/{file}",
    "GET /api/v1/tokens",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "POST /api/v1/alerts/{id}/ack",
    "POST /api/v1/alerts/{id}/dismiss",
    "POST /api/v1/alerts/{id}/replay",
    "POST /api/v1/alerts/{id}/resolve",
    "POST /api/v1/backtests",
    "POST /api/v1/tokens",
    "DELETE /api/v1/backtests/{id}",
    "DELETE /api/v1/tokens/{id}",
];

const OPEN: &[&str] = &["GET /healthz", "GET /readyz"];

fn described() -> BTreeMap<String, Value> {
    let document = serde_json::to_value(document()).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.insert(format!("{} {path}", method.to_uppercase()), operation.clone());
        }
    }
    operations
}

fn filled(route: &str) -> String {
    route.replace("{id}", "1").replace("{file}", "1.mp4").replace("{n}", "0")
}

#[tokio::test]
async fn nothing_is_told_without_a_token() {
    let site = Site::new();
    for route in ROUTES.iter().filter(|r| !OPEN.contains(r)) {
        let answer = site.ask(None, &filled(route), "").await;
        let detail = answer.problem(401);
        assert!(detail.contains("Authorization: Bearer"), "{route}: {detail}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{route}");
    }
    for header in ["Bearer pgn_wrong", "Bearer ", "Basic YTpi", "pgn_wrong", "Bearer \u{7f}"] {
        let Ok(value) = axum::http::HeaderValue::try_from(header) else { continue };
        let value = value.to_str().unwrap().to_owned();
        site.ask_with(None, "GET /api/v1/cameras", "", &[("authorization", &value)]).await.problem(401);
    }
    let header = format!("bearer {}", site.secret(Role::Viewer));
    let answer = site.ask_with(None, "GET /api/v1/cameras", "", &[("authorization", &header)]).await;
    assert_eq!(answer.status, 200, "the scheme's case does not matter");
}

#[tokio::test]
async fn a_revoked_token_is_told_so() {
    let site = Site::new();
    let tokens = site.ask(Some(Role::Admin), "GET /api/v1/tokens", "").await.json();
    assert!(!tokens.to_string().contains(site.secret(Role::Viewer)));
    let viewer =
        tokens["tokens"].as_array().unwrap().iter().find(|t| t["role"] == "viewer").unwrap()["id"].clone();
    assert_eq!(site.get("/api/v1/cameras").await.status, 200);
    let answer = site.ask(Some(Role::Admin), &format!("DELETE /api/v1/tokens/{viewer}"), "").await;
    assert_eq!(answer.status, 204);
    assert!(site.get("/api/v1/cameras").await.problem(401).contains("revoked"));
}

#[tokio::test]
async fn a_made_token_works_as_its_role() {
    let site = Site::new();
    let body = r#"{"name": "night watch", "role": "operator", "expires": "2026-11-24T00:00:00Z"}"#;
    let answer = site.ask(Some(Role::Admin), "POST /api/v1/tokens", body).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (201, "no-store"));
    let made = answer.json();
    let header = format!("Bearer {}", made["secret"].as_str().unwrap());
    let with = [("authorization", header.as_str())];
    assert_eq!(site.ask_with(None, "GET /api/v1/cameras", "", &with).await.status, 200);
    let detail = site.ask_with(None, "GET /api/v1/tokens", "", &with).await.problem(403);
    assert!(detail.contains("night watch") && detail.contains("admin"), "{detail}");

    site.ask(Some(Role::Admin), "POST /api/v1/tokens", body).await.problem(409);
    for bad in ["", "{", r#"{"name": "x", "rôle": "admin"}"#, r#"{"name": "x", "role": "god"}"#, "[]"] {
        site.ask(Some(Role::Admin), "POST /api/v1/tokens", bad).await.problem(400);
    }
    site.clock.advance(std::time::Duration::from_secs(86_400));
    assert!(site.ask_with(None, "GET /api/v1/cameras", "", &with).await.problem(401).contains("expired"));
}

#[tokio::test]
async fn roles_are_checked_before_anything_is_read() {
    let site = Site::new();
    for (role, route) in [
        (Role::Viewer, "POST /api/v1/alerts/nonsense/ack"),
        (Role::Viewer, "POST /api/v1/alerts/nonsense/resolve"),
        (Role::Viewer, "POST /api/v1/alerts/nonsense/dismiss"),
        (Role::Operator, "GET /api/v1/tokens"),
        (Role::Operator, "POST /api/v1/tokens"),
        (Role::Operator, "DELETE /api/v1/tokens/nonsense"),
    ] {
        site.ask(Some(role), route, "{").await.problem(403);
    }
}

#[tokio::test]
async fn errors_that_others_make_are_problems_too() {
    let site = Site::new();
    for route in ["GET /", "GET /api/v1/nothing", "GET /api/v2/cameras", "GET /docs/nothing.js"] {
        site.ask(Some(Role::Viewer), route, "").await.problem(404);
    }
    let answer = site.ask(Some(Role::Viewer), "POST /api/v1/cameras", "").await;
    assert!(answer.problem(405).contains("POST") && answer.header("allow").contains("GET"));
    assert!(site.get("/api/v1/cameras/panics").await.problem(500).contains("log"));
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(70_000));
    site.ask(Some(Role::Admin), "POST /api/v1/tokens", &large).await.problem(413);
    let answer = site.ask(Some(Role::Viewer), "HEAD /api/v1/cameras", "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
}

#[tokio::test]
async fn nonsense_parameters_are_refused_with_what_is_right() {
    let site = Site::new();
    let day = "from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z";
    for (path, must_say) in [
        ("/api/v1/recordings".to_owned(), "camera"),
        (format!("/api/v1/recordings?{day}&camera=../etc"), "camera id"),
        (format!("/api/v1/recordings?{day}&camera=gate&colour=red"), "colour"),
        (format!("/api/v1/recordings?{day}&camera=gate&stream=third"), "main"),
        ("/api/v1/recordings?camera=gate&from=yesterday&to=now".to_owned(), "RFC 3339"),
        (
            "/api/v1/recordings?camera=gate&from=2026-11-23T00:00:00&to=2026-11-24T00:00:00Z".to_owned(),
            "offset",
        ),
        (
            "/api/v1/recordings?camera=gate&from=2026-11-23T00:00:00+08:00&to=2026-11-24T00:00:00Z"
                .to_owned(),
            "%2B",
        ),
        (
            "/api/v1/recordings?camera=gate&from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(),
            "earlier",
        ),
        (
            "/api/v1/recordings?camera=gate&from=2026-01-01T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(),
            "744 h",
        ),
        (
            "/api/v1/cameras/gate/playback.m3u8?from=2026-11-20T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(),
            "24 h",
        ),
        (
            "/api/v1/cameras/gate/export.mp4?from=2026-11-20T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(),
            "24 h",
        ),
        ("/api/v1/cameras/gate/export.mp4".to_owned(), "from"),
        ("/api/v1/cameras/gate/live.m3u8?from=x".to_owned(), "from"),
        ("/api/v1/cameras/G%C3%84TE".to_owned(), "camera id"),
        ("/api/v1/cameras/gate/live/media.m3u8?from=2026-11-01T00:00:00Z".to_owned(), "24 h"),
        ("/api/v1/cameras/gate/live/media.m3u8?from=2027-11-01T00:00:00Z".to_owned(), "earlier"),
        ("/api/v1/segments/first.mp4".to_owned(), "17.mp4"),
        ("/api/v1/alerts/17".to_owned(), "path"),
        ("/api/v1/alerts?state=closed".to_owned(), "acknowledged"),
        ("/api/v1/alerts?limit=0".to_owned(), "500"),
        ("/api/v1/alerts?limit=many".to_owned(), "limit"),
        ("/api/v1/alerts?from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(), "earlier"),
        ("/api/v1/alerts?cursor=nonsense".to_owned(), "cursor"),
        ("/api/v1/alerts/stream?last_event_id=-1".to_owned(), "last_event_id"),
    ] {
        let detail = site.get(&path).await.problem(400);
        assert!(detail.contains(must_say), "{path}: {detail}");
    }
    let detail = site.get(&format!("/api/v1/recordings?{day}&camera=attic")).await.problem(404);
    assert!(detail.contains("attic") && detail.contains("/api/v1/cameras"), "{detail}");
}

#[test]
fn the_description_lists_every_route_and_no_other() {
    let described: BTreeSet<String> = described().into_keys().collect();
    assert_eq!(described, ROUTES.iter().map(|r| r.to_string()).collect());
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_closed_in_itself() {
    let site = Site::new();
    let document = site.ask(None, "GET /openapi.json", "").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    // Two types of one name would overwrite each other in `components` unseen.
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["WorkState"]["enum"][0], "open");
    assert_eq!(schemas["LiveState"]["enum"][0], "connecting");
    let mut ids = BTreeSet::new();
    for (route, operation) in described() {
        assert!(ids.insert(operation["operationId"].to_string()), "{route}: operationId stands twice");
        assert!(operation["summary"].is_string(), "{route} has no summary");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<_> = parameters
            .iter()
            .filter(|p| p["in"] == "path")
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect();
        let expected: BTreeSet<_> = route
            .split('/')
            .filter_map(|s| s.strip_prefix('{'))
            .map(|s| s.trim_end_matches('}').to_owned())
            .collect();
        assert_eq!(in_path, expected, "{route}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].is_string(), "{route} {status}");
        }
        assert_eq!(
            operation["security"] == serde_json::json!([{}]),
            OPEN.contains(&route.as_str()),
            "{route}"
        );
    }
}

fn collect_references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(s) if key == "$ref" => into.push(s.clone()),
                    other => collect_references(other, into),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| collect_references(v, into)),
        _ => {}
    }
}

#[tokio::test]
async fn the_docs_page_needs_nothing_from_outside() {
    let site = Site::new();
    assert_eq!(site.ask(None, "GET /docs", "").await.header("location"), "/docs/");
    let page = site.ask(None, "GET /docs/", "").await;
    assert_eq!(page.status, 200);
    let mut files: Vec<&str> = page
        .text()
        .split('"')
        .filter(|s| [".js", ".css", ".png"].iter().any(|end| s.ends_with(end)))
        .map(|s| s.trim_start_matches("./"))
        .collect();
    files.dedup();
    assert!(files.len() >= 4 && !page.text().contains("https://"), "{}", page.text());
    for file in files {
        assert_eq!(site.ask(None, &format!("GET /docs/{file}"), "").await.status, 200, "{file}");
    }
    let start = site.ask(None, "GET /docs/swagger-initializer.js", "").await;
    assert!(start.text().contains("/openapi.json"), "{}", start.text());
    assert!(start.text().contains("\"validatorUrl\": \"none\""), "{}", start.text());
}
