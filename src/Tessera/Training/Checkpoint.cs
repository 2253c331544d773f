using System.Globalization;
using Tessera.Weights;

namespace Tessera.Training;

/// <summary>All that a run needs to go on: weights, the optimiser's means, and the step. Random draws need nothing.</summary>
internal static class Checkpoint
{
    private const string StepKey = "tessera.step";
    private const string DataKey = "tessera.data";

    public static void Save(RunDirectory run, long step, AdamW optimizer, ModelDescription description, string fingerprint)
    {
        var metadata = ModelFile.Metadata(description);
        metadata[StepKey] = step.ToString(CultureInfo.InvariantCulture);
        metadata[DataKey] = fingerprint;
        var tensors = optimizer.Weights.Select(p => ModelFile.ToFile(ModelFile.CheckpointPrefix + p.Name, p.Value))
            .Concat(optimizer.State.Select(s => ModelFile.ToFile("optimizer." + s.Name, s.Value)));
        SafetensorsWriter.Write(run.CheckpointFile(step), [.. tensors], metadata);
        run.PruneCheckpoints();
    }

    /// <summary>Brings an optimiser, and the model it trains, to the newest checkpoint.</summary>
    /// <returns>Its step; 0 where there is none yet.</returns>
    /// <exception cref="RunDirectoryException">It is damaged, or the pictures are no longer those it was trained on.</exception>
    public static long Restore(RunDirectory run, AdamW optimizer, string fingerprint)
    {
        var file = RunDirectory.NewestCheckpoint(run.Folder);
        if (file is null) return 0;
        try
        {
            using var weights = SafetensorsFile.Open(file);
            if (!weights.Metadata.TryGetValue(StepKey, out var text) || !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var step))
                throw new ModelFileException($"its metadata lacks '{StepKey}'.");
            if (weights.Metadata.GetValueOrDefault(DataKey) != fingerprint)
                throw new RunDirectoryException($"The pictures have changed since {file} was written, so the run cannot go on as it was: bring them back, or start a new run.");
            foreach (var (name, parameter) in optimizer.Weights) ModelFile.Read(file, weights, ModelFile.CheckpointPrefix + name, parameter);
            foreach (var (name, value) in optimizer.State) ModelFile.Read(file, weights, "optimizer." + name, value);
            optimizer.CopyToModel();
            optimizer.Steps = step;
            return step;
        }
        catch (Exception e) when (e is SafetensorsException or ModelFileException)
        {
            throw new RunDirectoryException($"The checkpoint {file} is damaged: {e.Message} Remove it to go on from the one before it.", e);
        }
    }
}
