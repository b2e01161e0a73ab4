package lvsdr

// RealServerBlackholes is the step that keeps a real server which lost its VIP
// from forwarding the VIP's packets back to the director.
func RealServerBlackholes(c Config) Step { return pending{"blackholes"} }
