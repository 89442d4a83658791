//! Opens listeners in the namespaces of network slots, and passes them to the Node process that has started it.
//!
//! It keeps the privileges that this takes, so that the process that serves guests needs none. Without root it takes
//! those of the slot's own user namespace. It ends with its parent.

mod capabilities;
mod channel;
mod namespace;
mod request;
mod sockets;
mod sys;

use std::os::fd::OwnedFd;
use std::process::exit;

use channel::Channel;
use namespace::{apart, Namespaces};
use request::Request;
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
        let Some(asked) = request::read(&line)? else { continue };
        let outcome = match asked {
            Request::OpenSlot(slot) => match namespaces.within(slot, sockets::open_all)? {
                Ok(opened) => Ok(pass_all(&mut channel, &line, opened)?),
                Err(failure) => Err(failure),
            },
            Request::OpenAt(place) => apart(place, || pass_all(&mut channel, &line, sockets::open_all()?)),
            Request::Connect(place, port) => {
                apart(place, || pass_all(&mut channel, &line, sockets::connect_to_guest(port)?))
            }
        };
        if let Err(failure) = outcome {
            channel.say(&request::failed(&line, &failure))?;
        }
    }
    Ok(())
}

fn pass_all(
    channel: &mut Channel,
    line: &str,
    opened: impl IntoIterator<Item = (&'static str, OwnedFd)>,
) -> Result<(), Failure> {
    opened.into_iter().try_for_each(|(name, socket)| channel.pass(&request::opened(line, name), &socket))
}
