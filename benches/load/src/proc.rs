//! CPU time and memory of process trees, read from /proc.

use std::fs;

/// USER_HZ is 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

struct Stat {
    parent: u32,
    ticks: u64,
    /// What ended children used.
    child_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = line.rsplit_once(')')?.1;
    let field: Vec<&str> = rest.split_whitespace().collect();
    let number = |i: usize| field.get(i)?.parse::<u64>().ok();
    Some(Stat { parent: number(1)? as u32, ticks: number(11)? + number(12)?, child_ticks: number(13)? + number(14)? })
}

/// The process and all its living descendants.
fn tree(root: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

pub fn cpu_seconds(root: u32) -> f64 {
    let ticks: u64 = tree(root).into_iter().filter_map(stat).map(|stat| stat.ticks + stat.child_ticks).sum();
    ticks as f64 / TICKS_PER_SECOND
}

/// Memory of a process tree in MiB.
pub struct Memory {
    /// Proportional set size: what processes share is counted once.
    pub proportional: f64,
    /// Resident set size: what processes share is counted with each of them.
    pub resident: f64,
}

pub fn memory(root: u32) -> Memory {
    let maps: Vec<String> = tree(root).into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()).collect();
    let mib = |name: &str| {
        let lines = maps.iter().filter_map(|text| text.lines().find(|line| line.starts_with(name)));
        let kib: u64 = lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
        kib as f64 / 1024.0
    };
    Memory { proportional: mib("Pss:"), resident: mib("Rss:") }
}
