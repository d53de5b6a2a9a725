"""Probabilistic principal components of element content (Tipping & Bishop 1999), one projection per kind of content.

Components whose elements carry the same kinds of content (text only, numbers only, both) share a projection, so that
what is learned about a direction in one slot helps in all. The rank is where the eigenvalues sink into the noise floor
(the knee of the profile likelihood, Minka's criterion in its BIC form), at most `max_rank`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class KindProjection:
    """Maps content of one kind to latents: `(x - mean) @ loading`.

    mean: [feature] · loading: [feature, rank] · eigenvalues: [rank] · noise: variance of x along a discarded
    direction · latent_noise: [rank] posterior variance of each latent given x, 0 where content is taken at its word.
    """

    mean: Floats
    loading: Floats
    eigenvalues: Floats
    noise: float
    latent_noise: Floats

    @property
    def rank(self) -> int:
        return int(self.loading.shape[1])

    @property
    def spectrum(self) -> Floats:
        """Share of content variance of each latent relative to the first."""
        return np.asarray(self.eigenvalues / self.eigenvalues[0] if self.rank else self.eigenvalues, dtype=np.float32)

    def led_by(self, directions: Floats) -> KindProjection:
        """The same latents in another orthonormal basis, which begins with the columns of `directions` [rank, num].

        Eigenvalues and posterior variances are those along the new axes; correlations between these are left out.
        """
        basis, _ = np.linalg.qr(np.column_stack([directions, np.eye(self.rank)]).astype(np.float64))
        basis[:, : directions.shape[1]] = directions
        squares = basis.T**2
        return replace(
            self,
            loading=(self.loading @ basis).astype(np.float32),
            eigenvalues=(squares @ self.eigenvalues).astype(np.float32),
            latent_noise=(squares @ self.latent_noise).astype(np.float32),
        )

    def read_with(self, noise: Floats | None) -> KindProjection:
        """The same latents, the first of them [num] read by pair effects up to errors of variances `noise` more."""
        if noise is None:
            return self
        total = self.latent_noise.copy()
        total[: len(noise)] += noise
        return replace(self, latent_noise=total)


def fit_projection(content: Floats, max_rank: int) -> KindProjection:
    """Fit the projection of one kind of content, `content` [element, feature].

    Latents are posterior means under a unit normal prior. Directions without variance are dropped; constant content
    gives rank 0.
    """
    mean = content.mean(axis=0, dtype=np.float64)
    covariance = _covariance(content, mean)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0.0), vectors[:, ::-1]
    floor = max(float(eigenvalues[0]), 1e-12) * 1e-7
    num_positive = int((eigenvalues > floor).sum())
    rank = min(profile_rank(eigenvalues[:num_positive], len(content)), max_rank)
    tail = eigenvalues[rank:num_positive]
    structural = rank < num_positive and tail.max(initial=0.0) < 0.75 * eigenvalues[max(rank - 1, 0)]
    noise = float(tail.mean()) if structural else 0.0
    kept = eigenvalues[:rank]
    scale = np.sqrt(np.maximum(kept - noise, 1e-12)) / np.maximum(kept, 1e-12)
    return KindProjection(
        mean=mean.astype(np.float32),
        loading=(vectors[:, :rank] * scale).astype(np.float32),
        eigenvalues=kept.astype(np.float32),
        noise=noise,
        latent_noise=(noise / np.maximum(kept, 1e-12)).astype(np.float32),
    )


def profile_rank(eigenvalues: NDArray[np.float64], num_rows: int) -> int:
    """Number of principal components by BIC of the probabilistic model (Minka 2000, eq. 82)."""
    dim = len(eigenvalues)
    if dim <= 1:
        return dim
    best, best_rank = -np.inf, dim
    logs = np.log(np.maximum(eigenvalues, 1e-300))
    for rank in range(1, dim):
        noise = max(float(eigenvalues[rank:].mean()), 1e-300)
        parameters = dim * rank - rank * (rank + 1) / 2 + rank
        score = -0.5 * num_rows * (logs[:rank].sum() + (dim - rank) * np.log(noise))
        score -= 0.5 * parameters * np.log(max(num_rows, 2))
        if score > best:
            best, best_rank = score, rank
    return best_rank


def _covariance(content: Floats, mean: NDArray[np.float64], chunk: int = 65_536) -> NDArray[np.float64]:
    total = np.zeros((content.shape[1], content.shape[1]))
    for start in range(0, len(content), chunk):
        part = content[start : start + chunk] - mean.astype(np.float32)
        total += part.T @ part
    return total / max(len(content) - 1, 1)


def identity_projection(num_features: int) -> KindProjection:
    """Content is a one-hot identity: every element its own latent, nothing discarded."""
    ones = np.ones(num_features, dtype=np.float32)
    zeros = np.zeros(num_features, dtype=np.float32)
    return KindProjection(zeros, np.eye(num_features, dtype=np.float32), ones, 0.0, zeros)
