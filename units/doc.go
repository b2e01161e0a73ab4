// Package units renders the systemd unit that brings a host back to its role at
// boot, and has it in place: written, enabled, and known to the running systemd.
package units
