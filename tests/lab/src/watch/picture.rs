//! The dashboard as a picture: its panels in their places, drawn from what Prometheus answers. It is no picture of Grafana.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Text};
use plotters::prelude::{LineSeries, SVGBackend};
use plotters::style::{BLACK, Color, IntoFont, Palette, Palette99, RGBColor, WHITE};

use super::Error;
use super::dashboard::{Kind, Panel, Target, panels};
use super::judge::WINDOW;
use super::prometheus::{Prometheus, Series};

/// Pixels of a unit of the grid, and the room around a panel.
const UNIT: (u32, u32) = (52, 30);
const ROOM: u32 = 4;
const GRID: u32 = 24;

/// Seconds between two points.
const STEP: u32 = 2;

/// Lines that a legend names.
const NAMED: usize = 8;

const GREY: RGBColor = RGBColor(110, 110, 110);
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line: what it is called, and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws all panels into an SVG file.
pub(super) async fn draw(prometheus: &Prometheus, since: Duration, file: &Path) -> Result<(), Error> {
    let mut answered = Vec::new();
    for panel in panels()? {
        let lines = lines(prometheus, &panel, since.as_secs_f64()).await?;
        answered.push((panel, lines));
    }
    let height = answered
        .iter()
        .map(|(panel, _)| panel.place.y + panel.place.h)
        .max();
    let size = (GRID * UNIT.0, height.unwrap_or(1) * UNIT.1);
    let root = SVGBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE).map_err(wrong)?;
    for (panel, lines) in &answered {
        let place = panel.place;
        let corner = (place.x * UNIT.0 + ROOM, place.y * UNIT.1 + ROOM);
        let size = (place.w * UNIT.0 - 2 * ROOM, place.h * UNIT.1 - 2 * ROOM);
        let area = root.clone().shrink(corner, size);
        framed(&area, size)?;
        match panel.kind {
            Kind::TimeSeries => chart(&area, panel, lines)?,
            Kind::Stat => number(&area, panel, lines)?,
            Kind::Table => rows(&area, panel, lines)?,
        }
    }
    root.present().map_err(wrong)
}

async fn lines(prometheus: &Prometheus, panel: &Panel, seconds: f64) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    for target in &panel.targets {
        let query = target.query(WINDOW);
        let found = match panel.kind {
            Kind::TimeSeries => prometheus.over(&query, seconds, STEP).await?,
            Kind::Stat | Kind::Table => prometheus.query(&query).await?,
        };
        lines.extend(
            found
                .iter()
                .map(|series| (called(target, series), series.points())),
        );
    }
    Ok(lines)
}

/// What stands beside a line: the legend with the labels, or all labels where there is none.
fn called(target: &Target, series: &Series) -> String {
    if target.legend.is_empty() {
        let values: Vec<_> = series.metric.values().rev().map(String::as_str).collect();
        return values.join("   ");
    }
    let fill =
        |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{{{name}}}}}"), value);
    series.metric.iter().fold(target.legend.clone(), fill)
}

fn framed(area: &Area<'_>, (width, height): (u32, u32)) -> Result<(), Error> {
    let (right, bottom) = (pixels(width - 1), pixels(height - 1));
    let corners = [(0, 0), (right, 0), (right, bottom), (0, bottom), (0, 0)];
    area.draw(&PathElement::new(corners, GREY.mix(0.4)))
        .map_err(wrong)
}

fn text(area: &Area<'_>, text: String, at: (i32, i32), size: i32, colour: RGBColor) -> Result<(), Error> {
    let style = (FONT, size).into_font().color(&colour);
    area.draw(&Text::new(text, at, style)).map_err(wrong)
}

fn number(area: &Area<'_>, panel: &Panel, lines: &[Line]) -> Result<(), Error> {
    text(area, panel.title.clone(), (10, 8), 14, BLACK)?;
    let last = lines
        .first()
        .and_then(|(name, points)| Some((name, points.last()?.1)));
    let said = match last {
        // The value of what tells a version is always 1.
        Some((name, _)) if panel.title == "Version" => name.clone(),
        Some((_, value)) => told(value, panel.unit()),
        None => "no data".to_owned(),
    };
    text(area, said, (10, 44), 34, RGBColor(31, 96, 160))
}

fn rows(area: &Area<'_>, panel: &Panel, lines: &[Line]) -> Result<(), Error> {
    text(area, panel.title.clone(), (10, 8), 14, BLACK)?;
    for (row, (name, _)) in (0..).zip(lines) {
        text(area, name.clone(), (24, 36 + 22 * row), 14, GREY)?;
    }
    Ok(())
}

fn chart(area: &Area<'_>, panel: &Panel, lines: &[Line]) -> Result<(), Error> {
    let (times, values) = (range(lines, |p| p.0), widened(range(lines, |p| p.1), lines.len()));
    let begin = times.start;
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, (FONT, 14))
        .margin(8)
        .x_label_area_size(20)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..(times.end - begin).max(1.0), values)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(6)
        .y_labels(5)
        .label_style((FONT, 11))
        .x_label_formatter(&|seconds| format!("{seconds:.0} s"))
        .y_label_formatter(&|value| told(*value, panel.unit()))
        .draw()
        .map_err(wrong)?;
    for (index, (name, points)) in lines.iter().enumerate() {
        let colour = Palette99::pick(index).stroke_width(2);
        let points = points.iter().map(|(at, value)| (at - begin, *value));
        let drawn = chart
            .draw_series(LineSeries::new(points, colour))
            .map_err(wrong)?;
        if index < NAMED {
            drawn
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], colour));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.75))
        .label_font((FONT, 11))
        .draw()
        .map_err(wrong)
}

fn range(lines: &[Line], of: impl Fn(&(f64, f64)) -> f64) -> Range<f64> {
    let all = lines.iter().flat_map(|(_, points)| points).map(of);
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high { 0.0..1.0 } else { low..high }
}

/// From 0, and with room for the legend.
fn widened(range: Range<f64>, lines: usize) -> Range<f64> {
    let (low, high) = (range.start.min(0.0), range.end.max(0.0));
    let named = u32::try_from(lines.min(NAMED)).unwrap_or_default();
    let room = (high - low) * (0.1 + 0.1 * f64::from(named));
    if high > low { low..high + room } else { 0.0..1.0 }
}

/// A value with its unit.
fn told(value: f64, unit: &str) -> String {
    let days = 86_400.0;
    match unit {
        "s" if value.abs() >= 2.0 * days => format!("{:.1} d", value / days),
        "s" if value.abs() >= 10.0 => format!("{value:.0} s"),
        "s" => format!("{value:.2} s"),
        "bytes" => format!("{:.1} MiB", value / 1_048_576.0),
        "ops" | "reqps" => format!("{value:.2}/s"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

fn pixels(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn wrong(error: impl Display) -> Error {
    Error::Picture(error.to_string())
}
