package cluster

// The names of the roles.
const (
	DirectorRole   = "director"
	RealServerRole = "realserver"
	ClientRole     = "client"
)
