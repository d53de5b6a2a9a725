import pytest, torch
from dataclasses import replace
from tests.objectives import test_policy_gradient as m
from tests.objectives.test_policy_gradient import *
from tests.objectives.test_policy_gradient import _flat
@pytest.mark.parametrize("wild",[0.0,0.3])
@pytest.mark.parametrize("tau",[0.1,0.5])
@pytest.mark.parametrize("credit",[True,False])
def test_ratio(wild,tau,credit,monkeypatch):
    monkeypatch.setattr(m,"TEMPERATURE",tau)
    orig=m.small_generator
    monkeypatch.setattr(m,"small_generator",lambda b,s=0,**k: orig(b,s,wild=wild,credit=credit,**k))
    out=[]
    for seed in range(3):
        g,_=m.network_game(seed); g=replace(g,end=torch.zeros(64,dtype=torch.float64))
        ex=g.exact_gradient() if False else None
        a=moments(g,with_credit(g)); b=moments(g,without_credit)
        out.append((round(a[1]/b[1],3), float((a[0]-b[0]).norm()/b[0].norm())))
    print("RATIO",wild,tau,credit,out)
