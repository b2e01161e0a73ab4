package ipvs

import "encoding/binary"

// native is the byte order of netlink, except for ports and IPv4 masks.
var native = binary.NativeEndian

var bigEndian = native.Uint16([]byte{0, 1}) == 1

// Netlink (linux/netlink.h).
const (
	headerLen     = 16
	genlHeaderLen = 4
	attrHeaderLen = 4
	attrTypeMask  = 0x3fff
	attrNested    = 0x8000

	msgError = 2
	msgDone  = 3

	flagRequest       = 0x1
	flagMulti         = 0x2
	flagAck           = 0x4
	flagDumpInterrupt = 0x10
	flagDump          = 0x300 // of a request
	flagCapped        = 0x100 // of an error: the request is not repeated in it
	flagAckTLVs       = 0x200 // of an error: attributes follow

	errorAttrMessage = 1 // NLMSGERR_ATTR_MSG
)

// The generic netlink controller (linux/genetlink.h).
const (
	controlID         = 0x10
	controlGetFamily  = 3
	controlFamilyID   = 1
	controlFamilyName = 2

	familyName = "IPVS"
)

// IPVS commands (linux/ip_vs.h).
const (
	cmdNewService = 1
	cmdSetService = 2
	cmdDelService = 3
	cmdGetService = 4
	cmdNewDest    = 5
	cmdSetDest    = 6
	cmdDelDest    = 7
	cmdGetDest    = 8
	cmdSetConfig  = 12
	cmdGetConfig  = 13
	cmdGetInfo    = 15

	genlVersion = 1
)

// Attributes of a command.
const (
	attrService       = 1
	attrDest          = 2
	attrTimeoutTCP    = 4
	attrTimeoutTCPFin = 5
	attrTimeoutUDP    = 6
)

// Attributes of a service.
const (
	svcFamily    = 1
	svcProtocol  = 2
	svcAddr      = 3
	svcPort      = 4
	svcFWMark    = 5
	svcScheduler = 6
	svcFlags     = 7
	svcTimeout   = 8
	svcNetmask   = 9
	svcStats     = 10
	svcPE        = 11
	svcStats64   = 12
)

// Attributes of a destination.
const (
	destAddr       = 1
	destPort       = 2
	destForwarding = 3
	destWeight     = 4
	destUpper      = 5
	destLower      = 6
	destActive     = 7
	destInactive   = 8
	destPersistent = 9
	destStats      = 10
	destFamily     = 11
	destStats64    = 12
)

// Attributes of the statistics.
const (
	statsConnections    = 1
	statsInPackets      = 2
	statsOutPackets     = 3
	statsInBytes        = 4
	statsOutBytes       = 5
	statsConnectionRate = 6
	statsInPacketRate   = 7
	statsOutPacketRate  = 8
	statsInByteRate     = 9
	statsOutByteRate    = 10
)

// Attributes of the info.
const (
	infoVersion     = 1
	infoConnTabSize = 2
)

// Values.
const (
	hashedFlag     Flags      = 0x2 // IP_VS_SVC_F_HASHED, the kernel's own
	forwardingMask Forwarding = 0x7 // IP_VS_CONN_F_FWD_MASK
	maxNameLen                = 15  // IP_VS_SCHEDNAME_MAXLEN and IP_VS_PENAME_MAXLEN less the NUL
	familyIPv4                = 2   // AF_INET
	familyIPv6                = 10  // AF_INET6
)
