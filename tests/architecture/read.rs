//! The names in the files of a crate, module by module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Ident, Item, ItemMod, ItemUse, Macro, MetaList, UseTree, Visibility};

/// The names of a path.
pub type Names = Vec<String>;

/// The names in a module. Other modules are numbers in the list of all modules.
#[derive(Default)]
pub struct Module {
    /// Below the folder of the workspace.
    pub file: String,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    pub items: BTreeSet<String>,
    pub imports: BTreeMap<String, Names>,
    pub globs: Vec<Names>,
    /// The paths in the code, and the private imports.
    pub paths: BTreeSet<Names>,
    /// The imports that others may use from here.
    pub shown: BTreeSet<Names>,
}

/// Reads a root file and the modules below it into `all`, and returns the number of the root.
pub fn read(folder: &Path, file: &str, all: &mut Vec<Module>) -> usize {
    let root = all.len();
    all.push(Module { file: file.to_owned(), ..Module::default() });
    Reader { folder, all, module: root }.load();
    root
}

struct Reader<'a> {
    folder: &'a Path,
    all: &'a mut Vec<Module>,
    module: usize,
}

impl Reader<'_> {
    fn own(&mut self) -> &mut Module {
        &mut self.all[self.module]
    }

    fn load(&mut self) {
        let file = self.folder.join(&self.own().file);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.visit_file(&parsed);
    }

    /// The file of a child module without a body.
    fn child_file(&mut self, name: &str) -> String {
        let is_root = self.own().parent.is_none();
        let own = Path::new(&self.all[self.module].file);
        let folder = match is_root || own.ends_with("mod.rs") {
            true => own.parent().expect("a file is in a folder").to_owned(),
            false => own.with_extension(""),
        };
        let files = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        let found = files.into_iter().find(|file| self.folder.join(file).exists());
        found.unwrap_or_else(|| panic!("no file for `mod {name}` in {}", own.display())).display().to_string()
    }

    /// The names in a child module: the same file goes on if it has a body.
    fn read_child(&mut self, name: String, body: Option<&[Item]>) {
        let file = if body.is_some() { self.own().file.clone() } else { self.child_file(&name) };
        let child = self.all.len();
        self.own().children.insert(name, child);
        self.all.push(Module { file, parent: Some(self.module), ..Module::default() });
        let mut reader = Reader { folder: self.folder, all: self.all, module: child };
        match body {
            Some(items) => items.iter().for_each(|item| reader.visit_item(item)),
            None => reader.load(),
        }
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

    fn read_imports(&mut self, tree: &UseTree, mut path: Names, shown: bool) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.unraw().to_string());
                self.read_imports(&part.tree, path, shown);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.read_imports(tree, path.clone(), shown));
            }
            UseTree::Glob(_) => self.own().globs.push(path),
            UseTree::Name(part) => self.read_import(&part.ident, &part.ident, path, shown),
            UseTree::Rename(part) => self.read_import(&part.ident, &part.rename, path, shown),
        }
    }

    fn read_import(&mut self, ident: &Ident, local: &Ident, mut path: Names, shown: bool) {
        if ident != "self" {
            path.push(ident.unraw().to_string());
        }
        let local = if local == "self" { path[path.len() - 1].clone() } else { local.unraw().to_string() };
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
        let body = item.content.as_ref().map(|(_, items)| items.as_slice());
        self.read_child(item.ident.unraw().to_string(), body);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let shown = !matches!(item.vis, Visibility::Inherited);
        self.read_imports(&item.tree, Vec::new(), shown);
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
