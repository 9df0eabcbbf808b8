//! Plots drawn as SVG: areas on top of each other, lines and histograms over two linear axes.

use std::fmt;

use super::escaped;

/// Size of a plot, and of what lies inside its axes.
const SIZE: (f64, f64) = (860.0, 260.0);
const LEFT: f64 = 56.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Told apart also by those who see few colours.
const COLOURS: [&str; 8] =
    ["#2f6db3", "#e08a2c", "#4b9b6e", "#b4467a", "#7a68b8", "#8f8f3a", "#57a3b8", "#9a6b4f"];

pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot {
    x: &'static str,
    y: &'static str,
    /// All with the same places on the x axis.
    areas: Vec<Series>,
    pub lines: Vec<Series>,
    /// From, to, and height.
    bars: Vec<(f64, f64, f64)>,
}

impl Plot {
    /// With the names of the axes.
    pub fn new(x: &'static str, y: &'static str) -> Plot {
        Plot { x, y, areas: Vec::new(), lines: Vec::new(), bars: Vec::new() }
    }

    pub fn stacked(self, areas: Vec<Series>) -> Plot {
        Plot { areas, ..self }
    }

    /// How many of the values lie in each of `n` parts of their range from 0.
    pub fn histogram(mut self, values: &[f64], n: usize) -> Plot {
        let width = step(values.iter().copied().fold(1.0, f64::max) / n as f64);
        let mut counts = vec![0.0; n + 1];
        for value in values {
            counts[((value / width) as usize).min(n)] += 1.0;
        }
        while counts.len() > 1 && counts.last() == Some(&0.0) {
            counts.pop();
        }
        self.bars =
            counts.iter().enumerate().map(|(i, c)| (i as f64 * width, (i + 1) as f64 * width, *c)).collect();
        self
    }

    /// Upper ends of both axes.
    fn range(&self) -> (f64, f64) {
        let series = || self.lines.iter().chain(&self.areas).flat_map(|s| &s.points);
        let bars = self.bars.iter();
        let x = series().map(|p| p.0).chain(bars.clone().map(|b| b.1)).fold(0.0, f64::max);
        let stack =
            (0..self.areas.first().map_or(0, |a| a.points.len())).map(|i| self.height(i, self.areas.len()));
        let lines = self.lines.iter().flat_map(|s| &s.points).map(|p| p.1);
        let y = lines.chain(stack).chain(bars.map(|b| b.2)).fold(0.0, f64::max);
        (if x > 0.0 { x } else { 1.0 }, if y > 0.0 { y * 1.05 } else { 1.0 })
    }

    /// Of the first `n` areas together at place `i`.
    fn height(&self, i: usize, n: usize) -> f64 {
        self.areas[..n].iter().filter_map(|a| a.points.get(i)).map(|p| p.1).sum()
    }
}

/// The round number that is not smaller.
fn step(value: f64) -> f64 {
    let ten = 10f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * ten).find(|s| *s >= value * 0.999).unwrap_or(10.0 * ten)
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Plot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (x_most, y_most) = self.range();
        let (w, h) = SIZE;
        let x = |v: f64| LEFT + v / x_most * (w - LEFT - RIGHT);
        let y = |v: f64| h - BOTTOM - v / y_most * (h - TOP - BOTTOM);
        write!(f, "<svg viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{} over {}\">", self.y, self.x)?;
        let (x_step, y_step) = (step(x_most / 6.0), step(y_most / 5.0));
        for i in 0..=(y_most / y_step) as usize {
            let v = i as f64 * y_step;
            write!(f, "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#e4e7ea\"/>", y(v), w - RIGHT)?;
            write!(
                f,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y(v) + 4.0,
                number(v)
            )?;
        }
        for i in 0..=(x_most / x_step) as usize {
            let v = i as f64 * x_step;
            write!(
                f,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                x(v),
                h - BOTTOM + 16.0,
                number(v)
            )?;
        }
        write!(
            f,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            w - RIGHT,
            h - 6.0,
            escaped(self.x)
        )?;
        write!(f, "<text x=\"{}\" y=\"{}\">{}</text>", 4.0, h - 6.0, escaped(self.y))?;
        for (from, to, height) in &self.bars {
            let width = (x(*to) - x(*from) - 1.0).max(0.5);
            write!(
                f,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                x(*from),
                y(*height),
                y(0.0) - y(*height),
                COLOURS[0]
            )?;
        }
        for (n, area) in self.areas.iter().enumerate() {
            let upper = area.points.iter().enumerate().map(|(i, p)| (p.0, self.height(i, n + 1)));
            let lower = area.points.iter().enumerate().rev().map(|(i, p)| (p.0, self.height(i, n)));
            let points: Vec<_> =
                upper.chain(lower).map(|(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
            write!(f, "<polygon points=\"{}\" fill=\"{}\"/>", points.join(" "), COLOURS[n % COLOURS.len()])?;
            legend(f, n, COLOURS[n % COLOURS.len()], &area.name)?;
        }
        for (n, line) in self.lines.iter().enumerate() {
            let n = self.areas.len() + n;
            let points: Vec<_> = line.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
            let colour = if self.areas.is_empty() { COLOURS[n % COLOURS.len()] } else { "#1c2126" };
            write!(
                f,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            )?;
            legend(f, n, colour, &line.name)?;
        }
        f.write_str("</svg>")
    }
}

fn legend(f: &mut fmt::Formatter<'_>, n: usize, colour: &str, name: &str) -> fmt::Result {
    let (x, y) = (SIZE.0 - RIGHT + 12.0, TOP + 18.0 * n as f64);
    write!(f, "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>")?;
    write!(f, "<text x=\"{}\" y=\"{}\">{}</text>", x + 16.0, y + 9.5, escaped(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_holds_every_value_once() {
        let values = [0.0, 10.0, 15.0, 99.0, 1000.0];
        let plot = Plot::new("x", "y").histogram(&values, 20);
        assert_eq!(plot.bars.iter().map(|b| b.2).sum::<f64>(), 5.0);
        assert_eq!(plot.bars[0], (0.0, 50.0, 3.0));
        let empty = Plot::new("x", "y").histogram(&[], 20);
        assert!(!empty.to_string().contains("NaN"));
    }

    #[test]
    fn areas_lie_on_each_other() {
        let series = |v: f64| Series { name: "s".into(), points: vec![(0.0, v), (1.0, v)] };
        let plot = Plot::new("x", "y").stacked(vec![series(1.0), series(3.0)]);
        assert_eq!((plot.height(0, 1), plot.height(1, 2)), (1.0, 4.0));
        assert!((plot.range().1 - 4.2).abs() < 1e-9);
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0.07, 0.2, 1.1, 9.9, 40.0].map(step), [0.1, 0.2, 2.0, 10.0, 50.0]);
    }
}
