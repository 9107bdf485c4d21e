"""Operations that change the log and the read models of one session in one transaction."""
