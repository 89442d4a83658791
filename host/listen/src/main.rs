//! Opens listeners in the namespaces of network slots, and passes them to the Node process that has started it.
//!
//! It keeps the privileges that this takes, so that the process that serves guests needs none. It ends with its parent.

mod capabilities;
mod channel;
mod namespace;
mod request;
mod sockets;
mod sys;

use std::process::exit;

use channel::Channel;
use namespace::Namespaces;
use sys::Failure;

fn main() {
    if let Err(failure) = serve() {
        eprintln!("nova-listen: {failure}");
        exit(1);
    }
}

fn serve() -> Result<(), Failure> {
    let mut channel = Channel::of_parent()?;
    let namespaces = Namespaces::new()?;
    capabilities::keep_needed()?;
    while let Some(line) = channel.next_line()? {
        let Some(slot) = request::slot_of(&line)? else { continue };
        match namespaces.within(slot, sockets::open_all)? {
            Ok(opened) => {
                for (name, socket) in opened {
                    channel.pass(&request::opened(slot, name), &socket)?;
                }
            }
            Err(failure) => channel.say(&request::failed(slot, &failure))?,
        }
    }
    Ok(())
}
