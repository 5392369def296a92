//! What the demo prints: steps, a tree that is redrawn on a terminal, changed lines elsewhere, and a timeline at the end.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The output of the demo.
pub struct Screen {
    terminal: bool,
    started: Instant,
    drawn: usize,
    last: Vec<String>,
    timeline: Vec<(Duration, String)>,
}

impl Screen {
    /// Starts the clock of the timeline.
    pub fn new() -> Screen {
        Screen {
            terminal: std::io::stdout().is_terminal(),
            started: now(),
            drawn: 0,
            last: Vec::new(),
            timeline: Vec::new(),
        }
    }

    /// A new step of the scenario.
    pub fn step(&mut self, text: &str) {
        self.settle();
        self.note(text);
        if self.terminal { println!("\n\x1b[1m> {text}\x1b[0m") } else { println!("\n> {text}") }
    }

    /// Plain text, as a program printed it.
    pub fn text(&mut self, text: &str) {
        self.settle();
        for line in text.trim_end().lines() {
            println!("  {line}");
        }
    }

    /// The tree as it is now: redrawn in place on a terminal, else only the lines that are new.
    pub fn show(&mut self, lines: &[String]) {
        if lines == self.last {
            return;
        }
        if self.terminal {
            if self.drawn > 0 {
                print!("\x1b[{}A\x1b[J", self.drawn);
            }
            for line in lines {
                println!("  {line}");
            }
            self.drawn = lines.len();
            let _ = std::io::stdout().flush();
        } else {
            let seen: BTreeSet<&String> = self.last.iter().collect();
            for line in lines.iter().filter(|line| !seen.contains(line)) {
                println!("  {:>6.1} s  {line}", self.elapsed().as_secs_f64());
            }
        }
        self.last = lines.to_vec();
    }

    /// A step reached what it waited for.
    pub fn done(&mut self, what: &str) {
        if !self.terminal {
            println!("  the tree now:");
            for line in &self.last {
                println!("    {line}");
            }
        }
        self.settle();
        self.note(&format!("  reached: {what}"));
        println!("  reached after {:.1} s: {what}", self.elapsed().as_secs_f64());
    }

    /// All steps with their times since the start.
    pub fn timeline(&self) {
        println!("\ntimeline");
        for (at, what) in &self.timeline {
            println!("  {:>6.1} s  {what}", at.as_secs_f64());
        }
    }

    /// A line of the timeline.
    pub fn note(&mut self, text: &str) {
        let at = self.elapsed();
        self.timeline.push((at, text.to_owned()));
    }

    fn elapsed(&self) -> Duration {
        now().duration_since(self.started)
    }

    fn settle(&mut self) {
        self.drawn = 0;
        self.last.clear();
    }
}

/// The clock of the demo.
#[expect(clippy::disallowed_methods, reason = "the demo shows real time to a person")]
pub fn now() -> Instant {
    Instant::now()
}
