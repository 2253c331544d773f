namespace Tessera.Training;

/// <summary>Linear warm-up from zero, then half a cosine down to zero.</summary>
/// <param name="Peak">The highest rate.</param>
/// <param name="WarmupSteps">Optimiser steps until the peak; 0 starts there.</param>
/// <param name="TotalSteps">Optimiser steps of the whole run.</param>
/// <remarks>Loshchilov and Hutter 2017 (arXiv:1608.03983), without restarts; warm-up as in MAE, by the step instead of the epoch.</remarks>
public sealed record LearningRateSchedule(double Peak, long WarmupSteps, long TotalSteps)
{
    /// <summary>The rate of a step, counted from 0.</summary>
    public double At(long step)
    {
        if (step < WarmupSteps) return Peak * (step + 1) / WarmupSteps;
        var progress = (step - WarmupSteps) / (double)Math.Max(1, TotalSteps - WarmupSteps);
        return Peak * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress)));
    }
}
