package ipvs

import (
	"fmt"
	"net/netip"
)

// DaemonState is what a connection synchronisation daemon does (IP_VS_STATE_*).
type DaemonState uint32

// The states. A network namespace may have one daemon of each.
const (
	MasterDaemon DaemonState = 1 // tells the others of its connections
	BackupDaemon DaemonState = 2 // keeps what it is told
)

// String is ipvsadm's word.
func (s DaemonState) String() string {
	switch s {
	case MasterDaemon:
		return "master"
	case BackupDaemon:
		return "backup"
	}
	return fmt.Sprintf("state%d", uint32(s))
}

// A Daemon is a connection synchronisation daemon of the kernel (ipvsadm(8),
// --start-daemon). A master and a backup hear each other where interface's LAN, ID,
// group and port are the same.
type Daemon struct {
	State     DaemonState
	Interface string // whose LAN it speaks on; it must have an address
	ID        uint8  // the sync id; a backup of ID 0 takes what any master tells
	// MaxLen bounds a message, in bytes; written as 0 it is what the interface's MTU has
	// room for. The kernel takes less than 1024 for 1024 (start_sync_thread in
	// net/netfilter/ipvs/ip_vs_sync.c).
	MaxLen uint16
	Group  netip.Addr // multicast; written as invalid it is 224.0.0.81
	Port   uint16     // UDP; written as 0 it is 8848
	TTL    uint8      // written as 0 it is 1
}

// String is ipvsadm's words: "master dev eth0 syncid 5".
func (d Daemon) String() string {
	return fmt.Sprintf("%v dev %s syncid %d", d.State, d.Interface, d.ID)
}

// Ipvsadm is the command that starts the daemon.
func (d Daemon) Ipvsadm() string {
	text := fmt.Sprintf("ipvsadm --start-daemon %v --mcast-interface %s --syncid %d", d.State, d.Interface, d.ID)
	if d.Group.IsValid() {
		text += " --mcast-group " + d.Group.String()
	}
	if d.Port != 0 {
		text += fmt.Sprintf(" --mcast-port %d", d.Port)
	}
	return text
}

// The commands, and the attributes of a daemon (linux/ip_vs.h).
const (
	cmdNewDaemon = 9
	cmdDelDaemon = 10
	cmdGetDaemon = 11

	attrDaemon = 3

	daemonState     = 1
	daemonInterface = 2
	daemonID        = 3
	daemonMaxLen    = 4
	daemonGroup     = 5
	daemonGroup6    = 6
	daemonPort      = 7
	daemonTTL       = 8
)

// maxInterfaceName is IP_VS_IFNAME_MAXLEN less the NUL.
const maxInterfaceName = 15

var daemonAttrLen = [daemonTTL + 1]uint8{daemonState: 4, daemonID: 4, daemonMaxLen: 2, daemonGroup: 4, daemonGroup6: 16, daemonPort: 2, daemonTTL: 1}

// appendDaemon appends a daemon; what is zero is left to the kernel.
func appendDaemon(b []byte, d Daemon) []byte {
	start := len(b)
	b = openNest(b, attrDaemon)
	b = appendUint32(b, daemonState, uint32(d.State))
	b = appendString(b, daemonInterface, d.Interface)
	b = appendUint32(b, daemonID, uint32(d.ID))
	if d.MaxLen != 0 {
		b = appendUint16(b, daemonMaxLen, d.MaxLen)
	}
	if d.Group.IsValid() {
		typ := uint16(daemonGroup)
		if d.Group.Is6() {
			typ = daemonGroup6
		}
		v := d.Group.AsSlice()
		b = native.AppendUint16(b, uint16(attrHeaderLen+len(v)))
		b = native.AppendUint16(b, typ)
		b = append(b, v...)
	}
	if d.Port != 0 { // in the host's byte order, unlike a service's
		b = appendUint16(b, daemonPort, d.Port)
	}
	if d.TTL != 0 {
		b = native.AppendUint16(b, attrHeaderLen+1)
		b = native.AppendUint16(b, daemonTTL)
		b = append(b, d.TTL, 0, 0, 0)
	}
	closeNest(b, start)
	return b
}

// check refuses what the kernel would cut or take for something else.
func (d Daemon) check() error {
	switch {
	case d.State != MasterDaemon && d.State != BackupDaemon:
		return invalid("a daemon is master or backup, not %v", d.State)
	case d.Interface == "" || len(d.Interface) > maxInterfaceName:
		return invalid("a daemon needs the name of an interface, not %q", d.Interface)
	case d.Group.IsValid() && (!d.Group.IsMulticast() || d.Group.Is4In6() || d.Group.Zone() != ""):
		return invalid("a daemon's group must be a multicast address, not %v", d.Group)
	}
	return nil
}

// decodeDaemon decodes the payload of a daemon message.
func decodeDaemon(payload []byte) (d Daemon, err error) {
	b, err := nested(payload, attrDaemon)
	if err != nil {
		return d, err
	}
	var a [daemonTTL + 1]span
	if err := parse(b, a[:], daemonAttrLen[:]); err != nil {
		return d, err
	}
	d = Daemon{
		State: DaemonState(a[daemonState].uint32(b)), Interface: string(cutNUL(a[daemonInterface].value(b))),
		ID: uint8(a[daemonID].uint32(b)), MaxLen: a[daemonMaxLen].uint16(b), Port: a[daemonPort].uint16(b),
	}
	if v := a[daemonTTL].value(b); len(v) > 0 {
		d.TTL = v[0]
	}
	if v := a[daemonGroup].value(b); len(v) >= 4 {
		d.Group = netip.AddrFrom4([4]byte(v[:4]))
	} else if v := a[daemonGroup6].value(b); len(v) >= 16 {
		d.Group = netip.AddrFrom16([16]byte(v[:16]))
	}
	return d, nil
}

// daemons collects daemon messages.
type daemons []Daemon

func (l *daemons) reset() { *l = nil }

func (l *daemons) add(payload []byte) error {
	d, err := decodeDaemon(payload)
	*l = append(*l, d)
	return err
}
