package keepalived

// mission is a director's keepalived.conf as people pass it on: it was made of a sample,
// for NAT, and its comments are older than its lines.
const mission = `! Configuration File for keepalived

global_defs {
   notification_email {
     ops@example.org
   }
   notification_email_from lvs@example.org
   smtp_server 192.168.200.1
   smtp_connect_timeout 30
   router_id LVS_DEVEL
}

vrrp_instance VI_1 {
    state MASTER            # BACKUP on the other one
    interface eth0
    virtual_router_id 51
    priority 100            # lower on the other one
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        10.10.10.22
    }
}

virtual_server 10.10.10.22 80 {
    delay_loop 6            # (looks at the real servers every 10 s)
    lb_algo wrr
    lb_kind DR
    nat_mask 255.255.255.0
    persistence_timeout 0   # (a client stays with its real server for 60 s)
    protocol TCP

    real_server 10.10.10.31 80 {
        weight 3            # 权重
        TCP_CHECK {
            connect_timeout 10   # (10秒无响应超时)
            retry 3
            delay_before_retry 3
            connect_port 80
        }
    }
    real_server 10.10.10.32 80 {
        weight 3
        TCP_CHECK {
            connect_timeout 10
            retry 3
            delay_before_retry 3
            connect_port 80
        }
    }
}
`
