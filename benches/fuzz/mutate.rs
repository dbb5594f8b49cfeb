//! Changed inputs: the same for the same seed.

/// Longest input; what is longer is refused by size before anything reads it.
const LONGEST: usize = 8 * 1024;

/// A generator of changed inputs.
pub struct Mutator {
    state: u64,
    words: &'static [&'static str],
}

impl Mutator {
    pub fn new(seed: u64, words: &'static [&'static str]) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, words }
    }

    /// xorshift64*: good enough to choose places.
    fn draw(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.draw() >> 16) as usize % bound }
    }

    /// A seed with one to eight changes.
    pub fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input, seeds);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(32)).min(input.len());
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.draw() as u8,
            2 => input.insert(at, b"\0\"%&+.;=[]{}~\\\xff\n"[self.below(16)]),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 => input.truncate(at),
            6 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            7 => {
                let word = self.words[self.below(self.words.len())].as_bytes();
                input.splice(at..end, word.iter().copied());
            }
            _ => {
                let number = ["0", "-1", "1e309", "4294967296", "9223372036854775808", "null", "true", "\u{202e}"][self.below(8)];
                input.splice(at..end, number.bytes());
            }
        }
    }
}
