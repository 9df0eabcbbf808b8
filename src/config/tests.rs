//! Behaviour of the configuration as a whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::camera::{Pace, SourceSpec, Tampering, Transport};
use crate::rules::RuleKind;

const RTSP: &str = "url = \"rtsp://cam/1\"\n";

/// A site in a folder of its own, with an analytics profile `people`.
struct Site(TempDir);

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Site(tempfile::tempdir().unwrap());
        site.write("pipelines/analytics/people.toml", "");
        for (name, text) in files {
            site.write(name, text);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self) -> Result<Settings, Problems> {
        load(&self.path("site.toml"))
    }
}

/// Names the folder of profiles at the end, where it moves no line.
fn site_of(text: &str) -> Site {
    let rest = if text.contains("[server]") { "" } else { "\n[server]\npipelines = \"pipelines\"\n" };
    Site::new(&[("site.toml", &format!("{text}{rest}"))])
}

/// Loads `text` and compares the problems, each as `line key`.
fn check(text: &str, want: &[&str]) -> Option<Problems> {
    let result = site_of(text).load();
    let got: Vec<String> = match &result {
        Ok(_) => Vec::new(),
        Err(p) => p.problems.iter().map(|p| format!("{} {}", p.line, p.key)).collect(),
    };
    assert_eq!(got, want, "{:#?}", result.as_ref().err());
    result.err()
}

fn loaded(text: &str) -> Settings {
    site_of(text).load().unwrap_or_else(|p| panic!("{p}"))
}

#[test]
fn five_mistakes_are_told_at_once_each_with_its_line() {
    let problems = check(
        "[server]\n\
         lsiten = \"127.0.0.1:80\"\n\
         [archive]\n\
         max_age = \"30 days\"\n\
         [[camera]]\n\
         id = \"gate\"\n\
         url = \"rtsp://admin:hunter2@cam/1\"\n\
         record = \"yes\"\n\
         [[camera]]\n\
         id = \"gate\"\n\
         url = \"rtsp://cam/2\"\n",
        &["2 server.lsiten", "4 archive.max_age", "7 camera[0].url", "8 camera[0].record", "10 camera[1].id"],
    )
    .unwrap();
    let text = problems.to_string();
    assert!(text.contains("did you mean 'listen'?"), "{text}");
    assert!(text.contains("site.toml:10:6: camera[1].id\n"), "{text}");
    assert!(text.contains("site.toml:6 has it"), "the first use is named: {text}");
    assert!(text.ends_with("5 problems in the configuration"), "{text}");
    let json = serde_json::to_value(&problems).unwrap();
    assert_eq!(json["problems"][4]["line"], 10);
}

#[test]
fn a_syntax_error_does_not_hide_the_other_problems() {
    let site = Site::new(&[("site.toml", "[server]\nlisten = \n[archive]\nmax_ago = \"1d\"\n")]);
    let problems = site.load().unwrap_err().problems;
    assert!(problems.iter().any(|p| p.line == 2 && p.what.contains("not TOML")), "{problems:#?}");
    assert!(problems.iter().any(|p| p.line == 4 && p.key == "archive.max_ago"), "{problems:#?}");
}

#[test]
fn what_is_missing_is_told_at_the_table_that_lacks_it() {
    check(
        "\n[[camera]]\nid = \"a\"\n\n[[camera]]\nname = \"b\"\n",
        &["2 camera[0].url", "5 camera[1].id", "5 camera[1].url"],
    );
    check(
        "[[camera]]\nid = \"a\"\nurl = \"clip.mp4\"\nanalytics = \"people\"\n[[camera.rule]]\nid = \"r\"\nkind = \"loitering\"\n",
        &["5 camera[0].rule[0].dwell", "5 camera[0].rule[0].zone"],
    );
}

#[test]
fn a_bad_point_is_told_where_it_stands() {
    let rule = |lines: &str| {
        format!("[[camera]]\nid = \"a\"\n{RTSP}analytics = \"people\"\n[[camera.rule]]\nid = \"r\"\n{lines}")
    };
    let zone = "kind = \"intrusion\"\nzone = [\n[0.0, 0.0],\n[1.0, 0.0],\n[1.0, 1.5],\n]\n";
    check(&rule(zone), &["11 camera[0].rule[0].zone[2]"]);
    let zone = "kind = \"intrusion\"\nzone = [\n[0.0, 0.0],\n[1.0],\n[1.0, 1.0],\n]\n";
    check(&rule(zone), &["10 camera[0].rule[0].zone[1]"]);
    check(&rule("kind = \"intrusion\"\nzone = [[0, 0], [1, 1]]\n"), &["8 camera[0].rule[0].zone"]);
    check(&rule("kind = \"line_crossing\"\nline = [[0, 0.5], [0, 0.5]]\n"), &["8 camera[0].rule[0].line"]);
    check(&rule("kind = \"line_crossing\"\nline = [[0, 0.5]]\n"), &["8 camera[0].rule[0].line"]);
    let zone = "zone = [[0, 0], [1, 0], [1, 1]]";
    let still = |kind: &str| rule(&format!("kind = \"{kind}\"\n{zone}\nignore_still = \"5m\"\n"));
    check(&still("intrusion"), &[]);
    check(&still("motion"), &["9 camera[0].rule[0].ignore_still"]);
    check(&rule("kind = \"abandoned_object\"\n"), &[]);
    check(&rule("kind = \"removed_object\"\ndwell = \"45m\"\n"), &["8 camera[0].rule[0].dwell"]);
    check(&rule("kind = \"abandoned_object\"\nanchor = \"foot\"\n"), &["8 camera[0].rule[0].anchor"]);
    let sizes = |sizes: &str| rule(&format!("kind = \"motion\"\n{sizes}\n"));
    check(&sizes("min_size = 0.1\nmax_size = 0.5"), &[]);
    check(&sizes("min_size = 0.5\nmax_size = 0.5"), &["9 camera[0].rule[0].max_size"]);
    check(&sizes("max_size = 1.5"), &["8 camera[0].rule[0].max_size"]);
    check(&rule(&format!("kind = \"wrong_way\"\n{zone}\n")), &["5 camera[0].rule[0].way"]);
    let way = |way: &str| rule(&format!("kind = \"wrong_way\"\n{zone}\nway = {way}\n"));
    check(&way("[[0, 0.5], [0, 0.5]]"), &["9 camera[0].rule[0].way"]);
    check(&way("[[0, 0.5], [0, 1.5]]"), &["9 camera[0].rule[0].way[1]"]);
    check(&way("[[0, 0.5], [0, 1]]\ntolerance = 90"), &["10 camera[0].rule[0].tolerance"]);
    check(&rule("kind = \"motion\"\ndwell = \"5s\"\n"), &["8 camera[0].rule[0].dwell"]);
}

#[test]
fn values_without_sense_are_refused() {
    let camera = |line: &str| format!("[[camera]]\nid = \"a\"\n{RTSP}{line}\n");
    check(&camera("fps = 0"), &["4 camera[0].fps"]);
    check(&camera("fps = 61"), &["4 camera[0].fps"]);
    check(&camera("silence = \"0s\""), &["4 camera[0].silence"]);
    check(&camera("transport = \"tpc\""), &["4 camera[0].transport"]);
    check(&camera("unit = \"District\""), &["4 camera[0].unit"]);
    check(&camera("repeat = true"), &["4 camera[0].repeat"]);
    check(&camera("password = \"env:X\""), &["4 camera[0].password"]);
    check("[[camera]]\nid = \"Ä\"\nurl = \"http://cam/1\"\n", &["2 camera[0].id", "3 camera[0].url"]);
    check(
        "[watch]\nworkers = 0\n[ingest]\nconnects_at_once = -1\n",
        &["2 watch.workers", "4 ingest.connects_at_once"],
    );
    check("[ingest]\nbackoff_min = \"9s\"\n", &["2 ingest.backoff_min"]);
    check("[ingest]\nthreads = 0\ntick = \"2s\"\n", &["2 ingest.threads", "3 ingest.tick"]);
}

#[test]
fn profiles_must_exist() {
    let camera = |name: &str| {
        format!("[server]\npipelines = \"pipelines\"\n[[camera]]\nid = \"a\"\n{RTSP}analytics = \"{name}\"\n")
    };
    let problems = check(&camera("poeple"), &["6 camera[0].analytics"]).unwrap();
    assert!(problems.to_string().contains("did you mean \"people\"?"), "{problems}");
    assert_eq!(loaded(&camera("people")).cameras[0].profile, "people");
    check("[server]\npipelines = \"pipelines\"\n[decode]\nprofile = \"cuda\"\n", &["4 decode.profile"]);
}

#[test]
fn other_machines_are_let_in_only_on_purpose() {
    let problems = check("[server]\nlisten = \"0.0.0.0:80\"\n", &["2 server.listen"]).unwrap();
    assert!(problems.to_string().contains("allow_remote = true"), "{problems}");
    let open = loaded("[server]\nlisten = \"0.0.0.0:80\"\nallow_remote = true\n");
    assert_eq!(open.api.listen.port(), 80);
    check("[server]\nlisten = \"localhost\"\n", &["2 server.listen"]);
}

#[test]
fn a_password_never_appears() {
    let secret = "hunter2";
    let wrong = format!(
        "[defaults]\npassword = \"{secret}\"\npasword = \"{secret}\"\n\
         [[camera]]\nid = \"a\"\nurl = \"rtsp://u:{secret}@cam/1\"\nsub = \"rtsp://cam/?password={secret}\"\n\
         user = \"u\"\npassword = \"{secret}\"\n\
         [[camera]]\nid = \"b\"\nurl = \"u:{secret}@cam/1\"\n\
         [[camera]]\nid = \"c\"\nurl = \"rtsp://u:{secret}@\"\nuser = \"u\"\npassword = [\"{secret}\"]\n\
         [[camera]]\nid = \"d\"\nurl = \"rtsp://cam/user=u_password={secret}_channel=1\"\n\
         [[camera]]\nid = \"e\"\npassword = {secret}\n"
    );
    let problems = Site::new(&[("site.toml", &wrong)]).load().unwrap_err();
    let shown = format!("{problems} {problems:?} {}", serde_json::to_string(&problems).unwrap());
    assert!(!shown.contains(secret), "{shown}");
    for line in [2, 3, 6, 7, 9, 12, 15, 17, 20, 23] {
        assert!(problems.problems.iter().any(|p| p.line == line), "nothing in line {line}: {problems}");
    }

    let right = format!("[[camera]]\nid = \"a\"\n{RTSP}user = \"u\"\npassword = \"file:secret\"\n");
    let settings = Site::new(&[("site.toml", &right), ("secret", secret)]).load().unwrap();
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    assert!(!format!("{settings:?}").contains(secret));
}

#[test]
fn a_secret_that_is_not_there_is_a_warning() {
    let text = format!("[[camera]]\nid = \"a\"\n{RTSP}user = \"u\"\npassword = \"file:nowhere\"\n");
    let settings = loaded(&text);
    assert_eq!(settings.warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [5]);
}

#[test]
fn defaults_reach_cameras_that_say_nothing() {
    let settings = loaded(
        "[defaults]\nunit = \"north\"\nuser = \"u\"\ntransport = \"udp\"\nsilence = \"3s\"\nrecord = false\n\
         [[camera]]\nid = \"a\"\nurl = \"rtsp://cam/1\"\nsub = \"rtsps://cam/2\"\n\
         [[camera]]\nid = \"b\"\nurl = \"rtsp://cam/3\"\ntransport = \"tcp\"\nrecord = true\nuser = \"v\"\n",
    );
    let [a, b] = settings.cameras.as_slice() else { panic!("{:?}", settings.cameras) };
    assert_eq!((a.spec.unit.as_str(), a.spec.name.as_str(), a.spec.record), ("north", "a", false));
    let sub = a.spec.sub.as_ref().unwrap();
    assert_eq!(sub.silence, Duration::from_secs(3));
    let SourceSpec::Rtsp { user, transport, .. } = &sub.source else { panic!("{sub:?}") };
    assert_eq!((user.as_deref(), *transport), (Some("u"), Transport::Udp));
    let SourceSpec::Rtsp { user, transport, .. } = &b.spec.main.source else { panic!("{b:?}") };
    assert_eq!((user.as_deref(), *transport, b.spec.record), (Some("v"), Transport::Tcp, true));
}

#[test]
fn every_camera_has_one_camera_lost_rule_unless_it_wants_none() {
    let camera = |id: &str, rest: &str| format!("[[camera]]\nid = \"{id}\"\n{RTSP}{rest}\n");
    let own = "[[camera.rule]]\nid = \"gone\"\nkind = \"camera_lost\"\nafter = \"3s\"";
    let text = camera("a", "") + &camera("b", own) + &camera("c", "camera_lost = false");
    let after: Vec<Vec<RuleKind>> =
        loaded(&text).cameras.iter().map(|c| c.rules.iter().map(|r| r.kind.clone()).collect()).collect();
    let lost = |s| RuleKind::CameraLost { after: Duration::from_secs(s) };
    assert_eq!(after, [vec![lost(10)], vec![lost(3)], vec![]]);
    let taken = "[[camera.rule]]\nid = \"r\"\nkind = \"camera_lost\"\n".repeat(2);
    check(&camera("a", &taken), &["8 camera[0].rule[1].id"]);
}

#[test]
fn every_analysed_camera_has_one_under_watched_rule_unless_it_wants_none() {
    let camera = |id: &str, rest: &str| {
        format!("[[camera]]\nid = \"{id}\"\nurl = \"a.mp4\"\ncamera_lost = false\n{rest}\n")
    };
    let own = "analytics = \"people\"\n[[camera.rule]]\nid = \"w\"\nkind = \"under_watched\"\nbelow = 0.5\nhold = \"3s\"";
    let text = "[server]\npipelines = \"pipelines\"\n".to_owned()
        + &camera("a", "analytics = \"people\"")
        + &camera("b", own)
        + &camera("c", "analytics = \"people\"\nunder_watched = false")
        + &camera("d", "");
    let kinds: Vec<Vec<RuleKind>> =
        loaded(&text).cameras.iter().map(|c| c.rules.iter().map(|r| r.kind.clone()).collect()).collect();
    let watched = |below, s| vec![RuleKind::UnderWatched { below, hold: Duration::from_secs(s) }];
    assert_eq!(kinds, [watched(0.8, 60), watched(0.5, 3), vec![], vec![]]);
}

#[test]
fn an_analysed_camera_has_a_tamper_rule_where_it_wants_one() {
    let camera = |id: &str, rest: &str| {
        format!(
            "[[camera]]\nid = \"{id}\"\nurl = \"a.mp4\"\ncamera_lost = false\nunder_watched = false\n{rest}\n"
        )
    };
    let own = "analytics = \"people\"\n[[camera.rule]]\nid = \"t\"\nkind = \"tamper\"\nsigns = [\"covered\"]\nhold = \"3s\"";
    let text = "[server]\npipelines = \"pipelines\"\n[defaults]\ntamper = true\n".to_owned()
        + &camera("a", "analytics = \"people\"")
        + &camera("b", own)
        + &camera("c", "analytics = \"people\"\ntamper = false")
        + &camera("d", "");
    let kinds: Vec<Vec<RuleKind>> =
        loaded(&text).cameras.iter().map(|c| c.rules.iter().map(|r| r.kind.clone()).collect()).collect();
    let tamper = |signs: &[Tampering], s| {
        vec![RuleKind::Tamper { signs: signs.to_vec(), hold: Duration::from_secs(s) }]
    };
    assert_eq!(kinds, [tamper(&Tampering::ALL, 10), tamper(&[Tampering::Covered], 3), vec![], vec![]]);
    let rule =
        |lines: &str| camera("a", &format!("analytics = \"people\"\n[[camera.rule]]\nid = \"t\"\n{lines}"));
    check(&rule("kind = \"tamper\"\nsigns = []\n"), &["10 camera[0].rule[0].signs"]);
    check(&rule("kind = \"tamper\"\nzone = [[0, 0], [1, 0], [1, 1]]\n"), &["10 camera[0].rule[0].zone"]);
    check(&rule("kind = \"motion\"\nsigns = [\"dark\"]\n"), &["10 camera[0].rule[0].signs"]);
}

#[test]
fn a_clip_is_found_from_the_folder_of_its_file() {
    let text = "[[camera]]\nid = \"a\"\nurl = \"clips/a.mp4\"\npace = \"fast\"\nrepeat = true\n";
    let site = Site::new(&[("site.toml", text), ("clips/a.mp4", "")]);
    let settings = site.load().unwrap();
    let want =
        SourceSpec::Files { path: site.path("clips/a.mp4"), pace: Pace::AsFastAsPossible, repeat: true };
    assert_eq!(settings.cameras[0].spec.main.source, want);
    assert_eq!(settings.data, site.path("data"));
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn included_files_have_defaults_of_their_own_and_their_problems_name_them() {
    let site = Site::new(&[
        ("site.toml", "include = [\"units/*.toml\"]\n[defaults]\nunit = \"north\"\nuser = \"u\"\n"),
        ("units/a.toml", "[defaults]\nunit = \"north/a\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://cam/1\"\n"),
        ("units/b.toml", "[[camera]]\nid = \"b\"\nurl = \"rtsp://cam/2\"\n"),
        ("units/ignored.toml~", "no toml"),
    ]);
    let settings = site.load().unwrap();
    let units: Vec<_> = settings.cameras.iter().map(|c| (c.spec.id.as_str(), c.spec.unit.as_str())).collect();
    assert_eq!(units, [("a", "north/a"), ("b", "north")]);
    assert_eq!(settings.folders, [site.0.path().to_path_buf(), site.path("units")]);

    site.write("units/b.toml", "[server]\n[[camera]]\nid = \"a\"\nurl = \"rtsp://cam/2\"\n");
    let got: Vec<_> = site.load().unwrap_err().problems.iter().map(|p| (p.file.clone(), p.line)).collect();
    assert_eq!(got, [(site.path("units/b.toml"), 1), (site.path("units/b.toml"), 3)]);
    site.write("site.toml", "include = [\"*.toml\", \"units/a.toml\", \"units\"]\n");
    site.write("units/b.toml", "");
    assert_eq!(site.load().unwrap().cameras.len(), 1, "no file counts twice, nor the main file itself");
    check("include = [\"nowhere/*.toml\", \"gone.toml\"]\n", &["1 include[0]", "1 include[1]"]);
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let problems = load(Path::new("nowhere/site.toml")).unwrap_err();
    assert_eq!(problems.problems.len(), 1);
    assert!(problems.to_string().contains("nowhere/site.toml\n  the file cannot be read"), "{problems}");
}

#[test]
fn the_defaults_that_the_schema_tells_are_those_of_the_code() {
    let schema = schema();
    let mut text = String::new();
    for (section, one) in schema["properties"].as_object().unwrap() {
        let keys = &schema::target(&schema, one)["properties"];
        if section == "camera" || !keys.is_object() {
            continue;
        }
        text += &format!("[{section}]\n");
        for (key, value) in keys.as_object().unwrap() {
            if let Some(default) = value.get("default") {
                text += &format!("{key} = {default}\n");
            }
        }
    }
    assert!(text.matches(" = ").count() > 20, "{text}");
    let camera = format!("[[camera]]\nid = \"a\"\n{RTSP}");
    let site = Site::new(&[("site.toml", &camera)]);
    let unsaid = site.load().unwrap();
    site.write("site.toml", &(text + &camera));
    assert_eq!(site.load().unwrap(), unsaid);

    let rule = |kind: &str, keys: &[&str]| {
        let rule = &schema["$defs"]["Rule"]["properties"];
        let said: String = keys.iter().map(|k| format!("{k} = {}\n", rule[*k]["default"])).collect();
        let head = format!(
            "[server]\npipelines = \"pipelines\"\n[[camera]]\nid = \"a\"\nurl = \"a.mp4\"\nanalytics = \"people\"\n\
             [[camera.rule]]\nid = \"r\"\n{kind}\n"
        );
        let rules = |text: String| loaded(&text).cameras[0].rules.clone();
        assert_eq!(rules(head.clone() + &said), rules(head), "{said}");
    };
    rule(
        "kind = \"line_crossing\"\nline = [[0, 0], [1, 1]]",
        &["direction", "anchor", "min_score", "min_size", "max_size", "severity", "cooldown"],
    );
    rule(
        "kind = \"wrong_way\"\nway = [[0, 0], [1, 1]]\nzone = [[0, 0], [1, 0], [1, 1]]",
        &["anchor", "tolerance"],
    );
    rule("kind = \"crowd\"\ncount = 3\nzone = [[0, 0], [1, 0], [1, 1]]", &["anchor", "hold"]);
    rule("kind = \"camera_lost\"", &["after", "severity"]);
    rule("kind = \"under_watched\"", &["below", "severity"]);
    rule("kind = \"tamper\"", &["signs", "severity"]);
}

/// The commented default with every key switched on, examples too.
fn commented_default() -> String {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/pingan.toml")).unwrap();
    let is_key = |l: &str| {
        l.split_once(" = ").is_some_and(|(k, _)| k.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let on = text.lines().map(|l| match (l.strip_prefix("#? "), l.strip_prefix("# ")) {
        (Some(example), _) => example,
        (_, Some(default)) if is_key(default) => default,
        _ => l,
    });
    on.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_default_loads_as_it_is_and_with_every_key_switched_on() {
    let as_it_is = load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/pingan.toml"))).unwrap();
    assert!(as_it_is.cameras.is_empty() && as_it_is.warnings.is_empty());
    let site = Site::new(&[]);
    site.write("config/pingan.toml", &commented_default());
    let on = load(&site.path("config/pingan.toml")).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(on.cameras.len(), 2);
}

#[test]
fn the_commented_default_shows_every_key_with_the_default_of_the_schema() {
    let schema = schema();
    let written = toml::from_str::<Value>(&commented_default()).unwrap();
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let cameras = list(&written["camera"]);
    let rules: Vec<Value> = cameras.iter().flat_map(|c| list(&c["rule"])).collect();
    let mut keys = 0;
    let mut compare = |section: &str, known: &Value, tables: &[Value]| {
        for (key, one) in known.as_object().unwrap() {
            let values: Vec<&Value> = tables.iter().filter_map(|t| t.get(key)).collect();
            assert!(!values.is_empty(), "config/pingan.toml does not show {section}.{key}");
            if let Some(default) = one.get("default") {
                assert!(values.contains(&default), "config/pingan.toml: {section}.{key} is not {default}");
            }
            keys += 1;
        }
    };
    compare("", &schema["properties"], std::slice::from_ref(&written));
    for (section, one) in schema["properties"].as_object().unwrap() {
        let known = &schema::target(&schema, one)["properties"];
        if known.is_object() {
            compare(section, known, std::slice::from_ref(&written[section]));
        }
    }
    compare("camera", &schema["$defs"]["Camera"]["properties"], &cameras);
    compare("camera.rule", &schema["$defs"]["Rule"]["properties"], &rules);
    assert!(keys > 70, "{keys}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    /// Whatever the damage, `load` ends, finds every problem itself and leaves none to serde.
    #[test]
    fn a_damaged_file_is_told_in_our_words(at in 0.0..1.0, cut in 0usize..12, put in "[a-z0-9=\"\\[\\]{}., \n-]{0,8}") {
        let text: Vec<char> = commented_default().chars().collect();
        let at = (at * text.len() as f64) as usize;
        let rest = &text[(at + cut).min(text.len())..];
        let damaged: String = text[..at].iter().chain(put.chars().collect::<Vec<_>>().iter()).chain(rest).collect();
        let site = Site::new(&[("config/site.toml", &damaged)]);
        if let Err(problems) = load(&site.path("config/site.toml")) {
            proptest::prop_assert!(!problems.problems.is_empty());
            proptest::prop_assert!(!problems.to_string().contains("defect of pingan"), "{}", problems);
        }
    }
}

#[test]
fn the_example_of_500_cameras_loads() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let site = Site::new(&[]);
    site.write("config/example-500.toml", &fs::read_to_string(config.join("example-500.toml")).unwrap());
    for entry in fs::read_dir(config.join("example-500")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = fs::read_to_string(config.join("example-500").join(&name)).unwrap();
        site.write(&format!("config/example-500/{name}"), &text);
    }
    let settings = load(&site.path("config/example-500.toml")).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(settings.cameras.len(), 500);
    let units: std::collections::BTreeSet<_> = settings.cameras.iter().map(|c| &c.spec.unit).collect();
    assert_eq!(units.len(), 48);
}
