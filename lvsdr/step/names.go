package step

// The names of the steps: what [Step.Name] of each answers, [Change.Step] and the
// ledger hold, and the doctor's checks say mends a fault.
const (
	Loopback  = "loopback"  // lo is up
	Modules   = "modules"   // ip_vs and the schedulers are loaded
	Sysctls   = "sysctls"   // the kernel's settings are those of the role
	Timeouts  = "timeouts"  // IPVS forgets connections when the cluster says
	Ports     = "ports"     // the packet filters let the services' packets pass
	Service   = "service"   // the virtual services are in the IPVS table
	Blackhole = "blackhole" // packets for a VIP that is gone go nowhere
	VIP       = "vip"       // the VIPs are there
	Unit      = "unit"      // systemd brings the role back at boot; package units has the step
)
