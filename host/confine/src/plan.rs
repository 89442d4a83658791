//! Parses the command line.

use std::ffi::{CString, OsString};
use std::os::fd::RawFd;
use std::path::PathBuf;

use crate::sys::{c_string, Failure};

/// How a program may use a file or folder of the host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It may be read, and programs in it may be run.
    Program,
    Read,
    Write,
    Device,
}

pub struct Visible {
    pub path: PathBuf,
    pub how: Use,
}

pub struct Opened {
    pub path: PathBuf,
    pub writable: bool,
}

pub struct Link {
    pub path: PathBuf,
    pub target: PathBuf,
}

#[derive(Default)]
pub struct Plan {
    /// `--network empty` or `--network FILE`: an empty network namespace, or that one. Without this option the program
    /// stays in ours.
    pub network: Option<OsString>,
    /// `--shared`: where we may not make namespaces, the program stays in ours, with our root. Only Landlock then
    /// decides which files it can open.
    pub shared: bool,
    /// `--pid-to DESCRIPTOR`: the program becomes the first process of a process namespace, and its pid outside is
    /// written to the descriptor.
    pub pid_to: Option<RawFd>,
    /// `--open-read`, `--open-write FILE`: the program gets these files open, as descriptors 3, 4, ... in this order.
    pub opened: Vec<Opened>,
    /// `--preload FILE`: a library that is loaded into the program.
    pub preload: Option<OsString>,
    /// `--user NUMBER`: the user and group of the program. Without this option it keeps ours, without any privilege.
    pub user: Option<u32>,
    /// `--group NUMBER`, any number of times: supplementary groups of the program.
    pub groups: Vec<u32>,
    /// `--program`, `--read`, `--write`, `--device PATH`: the only files of the host that the program sees, at the same
    /// paths.
    pub visible: Vec<Visible>,
    /// `--link PATH TARGET`: symbolic links that it also sees.
    pub links: Vec<Link>,
    /// `--folder PATH`: the working directory, one of the folders that it sees.
    pub folder: PathBuf,
    pub command: Vec<CString>,
}

impl Plan {
    pub fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Plan, Failure> {
        let mut plan = Plan { folder: "/".into(), ..Plan::default() };
        while let Some(word) = words.next() {
            if word == "--" {
                plan.command = words.map(c_string).collect::<Result<_, _>>()?;
                break;
            }
            let option = word.to_string_lossy().into_owned();
            let mut value = || words.next().ok_or_else(|| Failure::new(format!("{option} has no value")));
            match option.as_str() {
                "--network" => plan.network = Some(value()?),
                "--shared" => plan.shared = true,
                "--pid-to" => plan.pid_to = Some(number(&option, &value()?)? as RawFd),
                "--open-read" => plan.opened.push(Opened { path: value()?.into(), writable: false }),
                "--open-write" => plan.opened.push(Opened { path: value()?.into(), writable: true }),
                "--preload" => {
                    let path = value()?;
                    plan.see(path.clone(), Use::Program);
                    plan.preload = Some(path);
                }
                "--user" => plan.user = Some(number(&option, &value()?)?),
                "--group" => plan.groups.push(number(&option, &value()?)?),
                "--program" => plan.see(value()?, Use::Program),
                "--read" => plan.see(value()?, Use::Read),
                "--write" => plan.see(value()?, Use::Write),
                "--device" => plan.see(value()?, Use::Device),
                "--link" => plan.links.push(Link { path: value()?.into(), target: value()?.into() }),
                "--folder" => plan.folder = value()?.into(),
                _ => return Err(Failure::new(format!("there is no option {option}"))),
            }
        }
        if plan.command.is_empty() {
            return Err(Failure::new("there is no program to run"));
        }
        // A folder comes before the files in it.
        plan.visible.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(plan)
    }

    fn see(&mut self, path: OsString, how: Use) {
        self.visible.push(Visible { path: path.into(), how });
    }
}

fn number(option: &str, value: &OsString) -> Result<u32, Failure> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| Failure::new(format!("{option} takes a number")))
}
