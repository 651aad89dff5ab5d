import { Module } from '@nestjs/common';
import { HttpModule } from '../http/http.module.js';
import { StepReader } from './step-reader.js';
import { StepsController } from './steps.controller.js';

/** Steps across runs. */
@Module({
  imports: [HttpModule],
  controllers: [StepsController],
  providers: [StepReader],
})
export class StepsModule {}
