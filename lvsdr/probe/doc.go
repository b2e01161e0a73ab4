// Package probe puts frames on a LAN of its own making and reads what comes back:
// the announcements that tell neighbours at which MAC address an IP address is now
// ([Announce]), questions for who has an IP address ([Ask]), packets sent to a MAC
// address of the caller's choice ([Knocks]), and listening to who claims an address
// ([Claims]). It needs CAP_NET_RAW, and acts in the network namespace of the
// calling thread.
//
// Each call uses one packet socket however much it sends, because closing one
// takes the kernel about 10 ms, and a filter in the kernel, so that the traffic of
// a busy director costs no copies. It ends as soon as all is answered, and in any
// case after the time it is given; what is unanswered after half of it is sent
// once more.
package probe
