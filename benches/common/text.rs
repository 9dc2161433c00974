//! Tables as text.

/// Rows of cells under a head, columns padded, the first `left` of them to the left; with `markdown`, between bars.
pub fn table(head: &[&str], rows: Vec<Vec<String>>, left: usize, markdown: bool) -> String {
    let mut cells = vec![head.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>()];
    cells.extend(rows);
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for (number, line) in cells.iter().enumerate() {
        let pad = |(column, (cell, &width)): (usize, (&String, &usize))| match column < left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        };
        let padded: Vec<_> = line.iter().zip(&widths).enumerate().map(pad).collect();
        match markdown {
            true => out.push_str(&format!("| {} |\n", padded.join(" | "))),
            false => out.push_str(&format!("{}\n", padded.join("  ").trim_end())),
        }
        if markdown && number == 0 {
            let rule = (0..head.len()).map(|column| if column < left { "---|" } else { "--:|" });
            out.push_str(&format!("|{}\n", rule.collect::<String>()));
        }
    }
    out
}

/// The median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.as_slice() {
        [] => 0.0,
        sorted if sorted.len() % 2 == 1 => sorted[half],
        sorted => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}
