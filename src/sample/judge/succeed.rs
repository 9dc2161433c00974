//! Policies that follow others: what is as it was goes on with the state that it had.

use super::Policies;
use super::node::{Node, States};
use crate::sample::Policy;

impl Policies {
    /// Takes the state of policies of the same name and rule from those that were in force `before`, wherever they stand
    /// in the lists. The others begin anew.
    pub fn take_over(&mut self, mut earlier: Self, before: &[Policy], now: &[Policy]) {
        let mut left: Vec<usize> = (0..before.len()).collect();
        for (policy, node) in now.iter().zip(&self.nodes) {
            let Some(at) = left.iter().position(|at| before[*at] == *policy) else { continue };
            let from = &earlier.nodes[left.remove(at)];
            let same_mode = self.compat == earlier.compat;
            take_over(node, &mut self.states, from, &mut earlier.states, same_mode);
        }
    }
}

/// Of two nodes of the same rule, the later one gets the state. A composite counts otherwise in another mode.
fn take_over(node: &Node, states: &mut States, earlier: &Node, from: &mut States, same_mode: bool) {
    match (node, earlier) {
        (Node::Limiter(at), Node::Limiter(before)) => {
            std::mem::swap(&mut states.buckets[*at], &mut from.buckets[*before]);
            states.buckets[*at].cut = None; // a batch that has been judged
        }
        (Node::Dynamic { state, .. }, Node::Dynamic { state: before, .. }) => {
            std::mem::swap(&mut states.samplers[*state], &mut from.samplers[*before]);
        }
        (Node::And(parts), Node::And(before)) | (Node::Drop(parts), Node::Drop(before)) => {
            for (part, before) in parts.iter().zip(before) {
                take_over(part, states, before, from, same_mode);
            }
        }
        (Node::Not(part), Node::Not(before)) => take_over(part, states, before, from, same_mode),
        (Node::Composite { parts, state }, Node::Composite { parts: earlier, state: before }) => {
            if same_mode {
                std::mem::swap(&mut states.composites[*state], &mut from.composites[*before]);
            }
            for (part, before) in parts.iter().zip(earlier) {
                take_over(part, states, before, from, same_mode);
            }
        }
        _ => {}
    }
}
