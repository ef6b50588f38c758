//! The names in the files of our crates, each led to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Ident, Item, ItemMod, ItemUse, Macro, MetaList, UseTree, Visibility};

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
    crates: BTreeMap<String, usize>,
    folder: PathBuf,
}

#[derive(Default)]
struct Module {
    /// Below the folder of the workspace.
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Names>,
    globs: Vec<Names>,
    /// The paths in the code, and the private imports.
    paths: BTreeSet<Names>,
    /// The imports that others may use from here.
    shown: BTreeSet<Names>,
}

/// The names of a path.
type Names = Vec<String>;

enum Found {
    Module(usize),
    /// The module of an item, and its name.
    Item(usize, String),
}

impl Modules {
    /// The modules below each root file, for the crates of these names.
    pub fn read(folder: &Path, roots: &[(String, String)]) -> Self {
        let mut modules = Self { folder: folder.to_owned(), ..Self::default() };
        for (name, file) in roots {
            let root = modules.add(file.clone(), None);
            modules.crates.insert(name.clone(), root);
            modules.load(root);
        }
        modules
    }

    fn add(&mut self, file: String, parent: Option<usize>) -> usize {
        self.all.push(Module { file, parent, ..Module::default() });
        self.all.len() - 1
    }

    fn load(&mut self, module: usize) {
        let file = self.folder.join(&self.all[module].file);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Reader { modules: self, module }.visit_file(&parsed);
    }

    /// The file of the child module `name`, which has no body.
    fn child_file(&self, module: usize, name: &str) -> String {
        let own = Path::new(&self.all[module].file);
        let is_top = own.ends_with("mod.rs") || self.all[module].parent.is_none();
        let folder = if is_top {
            own.parent().expect("a file is in a folder").to_owned()
        } else {
            own.with_extension("")
        };
        let files = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        let found = files.into_iter().find(|file| self.folder.join(file).exists());
        found.unwrap_or_else(|| panic!("no file for `mod {name}` in {}", own.display())).display().to_string()
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

/// Reads the names in one module.
struct Reader<'a> {
    modules: &'a mut Modules,
    module: usize,
}

impl Reader<'_> {
    fn own(&mut self) -> &mut Module {
        &mut self.modules.all[self.module]
    }

    /// Macros and attributes have no grammar of their own: their words are read as paths.
    fn read_text(&mut self, text: &str) {
        static WORDS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#""(?:[^"\\]|\\.)*"|[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)*"#).expect("a good pattern")
        });
        for word in WORDS.find_iter(text).map(|found| found.as_str()).filter(|word| !word.starts_with('"')) {
            self.own().paths.insert(word.split("::").map(|name| name.trim().to_owned()).collect());
        }
    }

    fn import(&mut self, tree: &UseTree, mut path: Names, shown: bool) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.unraw().to_string());
                self.import(&part.tree, path, shown);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, path.clone(), shown))
            }
            UseTree::Glob(_) => self.own().globs.push(path),
            UseTree::Name(part) => self.import_one(&part.ident, &part.ident, path, shown),
            UseTree::Rename(part) => self.import_one(&part.ident, &part.rename, path, shown),
        }
    }

    fn import_one(&mut self, ident: &Ident, local: &Ident, mut path: Names, shown: bool) {
        let (name, mut local) = (ident.unraw().to_string(), local.unraw().to_string());
        if name == "self" {
            local = if local == "self" { path.last().cloned().unwrap_or_default() } else { local };
        } else {
            path.push(name);
        }
        self.own().imports.insert(local, path.clone());
        if shown { &mut self.own().shown } else { &mut self.own().paths }.insert(path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        self.own().items.extend(name_of(item).map(|name| name.unraw().to_string()));
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.unraw().to_string();
        let file = match item.content {
            Some(_) => self.own().file.clone(),
            None => self.modules.child_file(self.module, &name),
        };
        let child = self.modules.add(file, Some(self.module));
        self.own().children.insert(name, child);
        match &item.content {
            Some((_, items)) => {
                let mut reader = Reader { modules: self.modules, module: child };
                items.iter().for_each(|item| reader.visit_item(item));
            }
            None => self.modules.load(child),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let shown = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), shown);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
        self.own().paths.insert(names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.visit_path(&mac.path);
        self.read_text(&mac.tokens.to_string());
    }

    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        self.visit_path(&list.path);
        self.read_text(&list.tokens.to_string());
    }
}

fn name_of(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}
