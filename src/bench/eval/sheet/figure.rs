//! One picture of the page: the JPEG, boxes drawn over it, and what is told about it.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::bench::page::escaped;
use crate::media::{BBox, Point};

use super::page::Setup;
use super::shot::Shot;
use super::want::{Kind, Role};

/// The figure, as HTML.
pub fn figure(shot: &Shot, setup: &Setup) -> String {
    let want = &shot.want;
    let condition = shot.how.map_or("as it is".to_owned(), |how| how.to_string());
    let kind = want.kind.as_str();
    let text = format!("{} {condition} {kind} {}", shot.file, want.what).to_lowercase();
    let mut out = format!("<figure class=\"{}\" data-text=\"{}\">", class(want.kind), escaped(&text));
    out += &picture(shot, &format!("{kind}, frame {} of {}", shot.original, shot.file));
    let _ = write!(
        out,
        "<figcaption><b>{kind}</b>{}<br>frame {}, {:.2} s<dl><dt>expected</dt><dd>{}</dd><dt>found</dt>\
         <dd>{}</dd></dl><details><summary>look again</summary><code>{}</code></details></figcaption></figure>",
        match want.kind {
            Kind::MissedEvent | Kind::ExtraEvent => format!(" of rule {}", escaped(&want.what)),
            // The kind names the class.
            _ => String::new(),
        },
        shot.original,
        want.at_s,
        escaped(&want.expected),
        escaped(&want.found),
        escaped(&setup.frame(&shot.file, shot.original)),
    );
    out
}

/// Name in the style sheet.
pub fn class(kind: Kind) -> String {
    kind.as_str().replace(' ', "-")
}

fn picture(shot: &Shot, title: &str) -> String {
    let [_, _, w, h] = shot.part;
    let mut out = format!(
        "<svg viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{}\"><image width=\"{w}\" height=\"{h}\" \
         preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,{}\"/><g class=\"marks\">",
        escaped(title),
        BASE64.encode(&shot.jpeg)
    );
    let points: Vec<String> = shot.want.outline.iter().map(|p| point(shot, p)).collect();
    if !points.is_empty() {
        let name = if points.len() == 2 { "polyline" } else { "polygon" };
        let _ = write!(out, "<{name} class=\"rule\" points=\"{}\"/>", points.join(" "));
    }
    let size = w.max(h) as f32 / 24.0;
    for mark in &shot.want.marks {
        let Some([x, y, width, height]) = place(shot, &mark.bbox) else { continue };
        let role = role(mark.role);
        let _ = write!(
            out,
            "<rect class=\"{role}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
        if !mark.label.is_empty() {
            // Above the box, or within it where the box touches the upper edge.
            let line = if y > size { y - size * 0.25 } else { y + size };
            let _ = write!(
                out,
                "<text class=\"{role}\" x=\"{:.1}\" y=\"{line:.1}\" font-size=\"{size:.1}\">{}</text>",
                x.max(0.0),
                escaped(&mark.label)
            );
        }
    }
    out + "</g></svg>"
}

/// Name in the style sheet.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Truth => "truth",
        Role::Missed => "missed",
        Role::Ignored => "ignored",
        Role::Right => "right",
        Role::False => "false",
        Role::Seen => "seen",
    }
}

fn point(shot: &Shot, p: &Point) -> String {
    let ([w, h], [left, top, ..]) = (shot.frame, shot.part);
    format!("{:.1},{:.1}", p.x * w as f32 - left as f32, p.y * h as f32 - top as f32)
}

/// Left, top, width, height in the picture; `None` where the box lies beside it.
fn place(shot: &Shot, b: &BBox) -> Option<[f32; 4]> {
    let ([w, h], [left, top, width, height]) = (shot.frame.map(|v| v as f32), shot.part.map(|v| v as f32));
    let placed = [b.x1 * w - left, b.y1 * h - top, b.width() * w, b.height() * h];
    let [x, y, wide, high] = placed;
    (x < width && y < height && x + wide > 0.0 && y + high > 0.0).then_some(placed)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::alerts::snapshot::{Style, render};
    use crate::bench::eval::sheet::want::{Mark, Want};
    use crate::media::I420;

    /// A grey picture of 64x48 out of the middle of 128x96, with a missed box in it and another one beside it.
    pub fn shot(file: &str, kind: Kind) -> Shot {
        let grey = I420::packed(64, 48, vec![128; 64 * 72]).unwrap();
        let mark = |x: f32, label: &str| Mark {
            bbox: BBox::new(x, 0.4, x + 0.1, 0.6),
            role: Role::Missed,
            label: label.into(),
        };
        Shot {
            file: file.into(),
            how: None,
            original: 30,
            want: Want {
                kind,
                index: 30,
                at_s: 2.5,
                what: "face".into(),
                expected: "a face here".into(),
                found: "nothing".into(),
                focus: None,
                marks: vec![mark(0.5, "0.62"), mark(0.05, "beside")],
                outline: vec![Point::new(0.0, 0.5), Point::new(1.0, 0.5)],
            },
            jpeg: render(&grey, &[], Style::default()).unwrap(),
            frame: [128, 96],
            part: [32, 24, 64, 48],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> Setup {
        Setup { data: "data".into(), models: vec!["m".into()], options: Vec::new() }
    }

    #[test]
    fn a_figure_holds_a_jpeg_its_boxes_and_where_to_look_again() {
        let html = figure(&testing::shot("a.mp4", Kind::MissedFace), &setup());
        let jpeg = html.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let jpeg = image::load_from_memory(&BASE64.decode(jpeg).unwrap()).unwrap();
        assert_eq!((jpeg.width(), jpeg.height()), (64, 48));
        assert!(
            html.contains("<rect class=\"missed\" x=\"32.0\" y=\"14.4\" width=\"12.8\" height=\"19.2\"/>"),
            "{html}"
        );
        assert!(html.contains("points=\"-32.0,24.0 96.0,24.0\""), "{html}");
        assert!(html.contains(">0.62</text>") && !html.contains("beside"), "{html}");
        assert!(html.contains("frame 30, 2.50 s") && html.contains("ffmpeg -i data/footage/a.mp4"), "{html}");
    }

    #[test]
    fn names_and_texts_are_escaped() {
        let mut shot = testing::shot("<img src=x onerror=\"alert(1)\">&.mp4", Kind::ExtraEvent);
        shot.want.what = "<u>".into();
        (shot.want.expected, shot.want.found) = ("<i>".into(), "</dd>".into());
        shot.want.marks[0].label = "<script>".into();
        let html = figure(&shot, &setup());
        for never in ["<img", "<u>", "<i>", "<script", "=\"alert", "&.mp4"] {
            assert!(!html.contains(never), "{never}: {html}");
        }
        assert_eq!(html.matches("</dd>").count(), 2, "{html}");
    }
}
