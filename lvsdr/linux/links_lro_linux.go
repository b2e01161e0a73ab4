package linux

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// ethFlagLRO is ETH_FLAG_LRO of include/uapi/linux/ethtool.h.
const ethFlagLRO = 1 << 15

// readLRO asks the drivers of hardware, the only ones to merge packets so. That of
// virtio says so of packets which it can take apart again (drivers/net/virtio_net.c
// before 5.14). A driver that does not answer has none.
func readLRO(links []host.Link) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for i := range links {
		l := &links[i]
		if l.Kind != "" || l.Loopback || ethtoolFlags(fd, l.Name)&ethFlagLRO == 0 {
			continue
		}
		info, err := unix.IoctlGetEthtoolDrvinfo(fd, l.Name)
		l.LRO = err != nil || !bytes.HasPrefix(info.Driver[:], []byte("virtio"))
	}
}

// ethtoolFlags is ETHTOOL_GFLAGS (ethtool(8) "-k"), 0 when it cannot be told.
func ethtoolFlags(fd int, name string) uint32 {
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_GFLAGS}
	var request struct { // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	request.data = unsafe.Pointer(&value)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0
	}
	return value.data
}
