namespace Tessera.Training;

/// <summary>Linear warm-up from zero; then half a cosine down to zero, or a constant rate that a cool-down may end.</summary>
/// <param name="Peak">The highest rate.</param>
/// <param name="WarmupSteps">Optimiser steps until the peak; 0 starts there.</param>
/// <param name="TotalSteps">Optimiser steps of the whole run.</param>
/// <param name="Shape">What follows the warm-up.</param>
/// <param name="CoolDownFrom">The step at which a constant rate begins to fall, to zero at the end; null: never.</param>
/// <remarks>
/// Cosine: Loshchilov and Hutter 2017 (arXiv:1608.03983), without restarts; warm-up as in MAE, by the step instead of the epoch. Cool-down: Hägele
/// et al. 2024 (arXiv:2405.18392), whose 1 − √x did better than a line: a run at a constant rate can be finished at any time, and goes on besides.
/// </remarks>
public sealed record LearningRateSchedule(
    double Peak, long WarmupSteps, long TotalSteps, ScheduleShape Shape = ScheduleShape.Cosine, long? CoolDownFrom = null)
{
    /// <summary>The rate of a step, counted from 0.</summary>
    public double At(long step)
    {
        if (CoolDownFrom is { } from && step >= from)
            return (this with { CoolDownFrom = null }).At(from) * (1 - Math.Sqrt(Progress(step, from)));
        if (step < WarmupSteps) return Peak * (step + 1) / WarmupSteps;
        return Shape == ScheduleShape.Constant ? Peak : Peak * 0.5 * (1 + Math.Cos(Math.PI * Progress(step, WarmupSteps)));
    }

    private double Progress(long step, long from) => Math.Min(1, (step - from) / (double)Math.Max(1, TotalSteps - from));
}

/// <summary>How a learning rate goes on after its warm-up.</summary>
public enum ScheduleShape
{
    /// <summary>Half a cosine, down to zero at the end of the run.</summary>
    Cosine,

    /// <summary>It stays, so that a run has no end to be decided on: a copy is finished with a falling rate when its model is wanted.</summary>
    Constant,
}
