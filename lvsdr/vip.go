package lvsdr

// DirectorVIPs is the step that has the VIPs on the LAN interface and announced.
func DirectorVIPs(c Config) Step { return pending{"vips"} }

// RealServerVIPs is the step that has the VIPs on the loopback interface.
func RealServerVIPs(c Config) Step { return pending{"vips"} }
