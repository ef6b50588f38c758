//! The uses of names across files: each name is led to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::Path;

use super::read::{Module, read};

/// A name that a file uses and another file defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    pub from: String,
    pub to: String,
    pub name: String,
}

impl Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.name)
    }
}

/// The modules of all crates.
#[derive(Default)]
pub struct Modules {
    all: Vec<Module>,
    /// The root modules by the names of their crates.
    crates: BTreeMap<String, usize>,
}

enum Found {
    Module(usize),
    /// The module of an item, and its name.
    Item(usize, String),
}

impl Modules {
    /// The modules below each root file, for the crates of these names.
    pub fn read(folder: &Path, roots: &[(String, String)]) -> Self {
        let mut modules = Self::default();
        for (name, file) in roots {
            let root = read(folder, file, &mut modules.all);
            modules.crates.insert(name.clone(), root);
        }
        modules
    }

    pub fn files(&self) -> BTreeSet<&str> {
        self.all.iter().map(|module| module.file.as_str()).collect()
    }

    /// All uses across files. A module that shows an item of a module below it does not use the item.
    pub fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (at, module) in self.all.iter().enumerate() {
            let used = module.paths.iter().filter_map(|path| self.item(at, path));
            let shown = module.shown.iter().filter_map(|path| self.item(at, path));
            for (to, name) in used.chain(shown.filter(|(to, _)| !self.is_below(*to, at))) {
                let (from, to) = (module.file.clone(), self.all[to].file.clone());
                uses.extend((from != to).then_some(Use { from, to, name }));
            }
        }
        uses
    }

    /// The crates of others that each file names.
    pub fn foreign(&self) -> BTreeSet<(&str, &str)> {
        let mut foreign = BTreeSet::new();
        for (at, module) in self.all.iter().enumerate() {
            for path in module.paths.iter().chain(&module.shown).filter(|path| path.len() > 1) {
                if self.resolve(at, path).is_none() {
                    foreign.insert((module.file.as_str(), path[0].as_str()));
                }
            }
        }
        foreign
    }

    fn is_below(&self, module: usize, ancestor: usize) -> bool {
        std::iter::successors(Some(module), |at| self.all[*at].parent).any(|at| at == ancestor)
    }

    fn item(&self, from: usize, path: &[String]) -> Option<(usize, String)> {
        match self.resolve(from, path)? {
            Found::Module(_) => None,
            Found::Item(module, name) => Some((module, name)),
        }
    }

    /// The module or item that `path` names in a module; `None` outside of our crates.
    fn resolve(&self, from: usize, path: &[String]) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        let mut found = self.first(from, first)?;
        for name in rest {
            let Found::Module(at) = found else { break };
            found = match name.as_str() {
                "super" => Found::Module(self.all[at].parent?),
                // A macro may define it.
                name => self.member(at, name).unwrap_or_else(|| Found::Item(at, name.to_owned())),
            };
        }
        Some(found)
    }

    fn first(&self, from: usize, name: &str) -> Option<Found> {
        let root = || std::iter::successors(Some(from), |at| self.all[*at].parent).last();
        match name {
            "crate" => root().map(Found::Module),
            "self" => Some(Found::Module(from)),
            "super" => self.all[from].parent.map(Found::Module),
            name => self.member(from, name).or_else(|| self.crates.get(name).copied().map(Found::Module)),
        }
    }

    fn member(&self, module: usize, name: &str) -> Option<Found> {
        let own = &self.all[module];
        if let Some(child) = own.children.get(name) {
            return Some(Found::Module(*child));
        }
        if own.items.contains(name) {
            return Some(Found::Item(module, name.to_owned()));
        }
        match own.imports.get(name) {
            // The import of another crate names it as it is called here.
            Some(path) if path[0] == name => self.crates.get(name).copied().map(Found::Module),
            Some(path) => self.resolve(module, path),
            None => own.globs.iter().find_map(|path| self.through(module, path, name)),
        }
    }

    /// The name `name`, by a glob import. Globs of other crates have no names of ours.
    fn through(&self, module: usize, glob: &[String], name: &str) -> Option<Found> {
        let is_ours =
            ["crate", "self", "super"].contains(&glob[0].as_str()) || self.crates.contains_key(&glob[0]);
        match is_ours.then(|| self.resolve(module, glob))?? {
            Found::Module(other) if other != module => self.member(other, name),
            _ => None,
        }
    }
}
