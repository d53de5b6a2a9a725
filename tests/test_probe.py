import pytest, torch, numpy as np
from dataclasses import replace
from tests.objectives import test_policy_gradient as m
from tests.objectives.test_policy_gradient import Game, table_game
def limits(g, tau):
    p=g.probability.detach(); JV=g.jacobian(g.values); JL=g.jacobian(g.log_probs); JE=g.jacobian(g.entropy)
    V=g.values.detach(); H=g.entropy.detach()
    later=torch.stack([V[c+1:].sum(0) for c in range(3)])  # no end
    E=lambda x:(p*x).sum()
    X=JV.sum(0)+sum(JL[c]*(later[c]-E(later[c]))[:,None] for c in range(3))
    R=g.credit.sum(0).detach()+H
    Y=JE+JL.sum(0)*(R-E(R))[:,None]
    # reward to go, own slot sampled, centred by its expectation given nothing (LOO limit)
    var=lambda Z:float((p[:,None]*(Z-(p[:,None]*Z).sum(0))**2).sum())
    return var(X),var(Y),float(((p[:,None]*(X-Y)).sum(0)).norm())
@pytest.mark.parametrize("tau",[0.1,0.5])
@pytest.mark.parametrize("wild",[0.0,0.3])
@pytest.mark.parametrize("credit",[True,False])
def test_ratio(tau,wild,credit,monkeypatch):
    monkeypatch.setattr(m,"TEMPERATURE",tau)
    orig=m.small_generator
    monkeypatch.setattr(m,"small_generator",lambda b,s=0,**k: orig(b,s,wild=wild,credit=credit,**k))
    print("RATIO tau",tau,"wild",wild,"credit",credit,[ (round(a/b,3),round(e,9)) for a,b,e in (limits(m.network_game(s)[0],tau) for s in range(4))])
def test_tables():
    print("RATIO tables",[ (round(a/b,3),round(e,12)) for a,b,e in (limits(table_game(s),.5) for s in range(4))])
